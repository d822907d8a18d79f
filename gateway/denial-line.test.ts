import { expect, it } from 'vitest'
import { AuthError, type Identity } from '#auth'
import { NamespaceError } from '#namespace'
import { type Denial, denialLine, denialWithoutDecision } from './denial-line.ts'
import { getObject } from './operations/get-object.ts'
import { parseS3Request } from './s3-request.ts'

const alice: Identity = {
  ...{ accessKeyId: 'CWA', userName: 'alice', displayName: 'Alice', canonicalId: 'a'.repeat(64), groups: ['staff'] },
  ...{ sid: 'S-1-5-21-1-2-3-1102', posix: { uid: 1000, gid: 100, groups: [200] } },
}
const denial: Denial = {
  requestId: 'R',
  identity: alice,
  action: 's3:GetObject',
  resource: { bucket: 'photos', key: 'a/b' },
  reason: 'alice does not own the bucket',
}

it('has the whole chain: access key, user, groups, ids, action, resource, reason', () => {
  expect(denialLine(denial, 'plain')).toEqual({
    requestId: 'R',
    ...{ accessKey: 'CWA', user: 'alice', sid: 'S-1-5-21-1-2-3-1102', groups: ['staff'] },
    posix: { uid: 1000, gid: 100, groups: [200] },
    ...{ action: 's3:GetObject', bucket: 'photos', key: 'a/b', reason: 'alice does not own the bucket' },
  })
})

it('calls the action as policies do where a version is named', () => {
  const ofVersion = { ...denial, resource: { bucket: 'photos', key: 'a/b', versionId: 'V' } }
  expect(denialLine(ofVersion, 'plain')).toMatchObject({ action: 's3:GetObjectVersion', versionId: 'V' })
})

it('shows the object key as the log may show it', () => {
  expect(denialLine(denial, 'hash').key).toMatch(/^[0-9a-f]{16}$/)
  expect(denialLine(denial, 'omit').key).toBeUndefined()
})

it('says which file refuses, by its path where the log may have object keys', () => {
  const files = { path: '/t/photos/a/b', mode: '-rw------- 0:0', text: 'other may not read' }
  expect(denialLine(denial, 'plain', files).files).toEqual(files)
  expect(denialLine(denial, 'hash', files).files).toEqual({ mode: '-rw------- 0:0', text: 'other may not read' })
})

it('has nobody in it where the caller is anonymous', () => {
  const { user, accessKey, posix } = denialLine({ ...denial, identity: undefined }, 'plain')
  expect([user, accessKey, posix]).toEqual([undefined, undefined, undefined])
})

const request = parseS3Request({ method: 'GET', rawUrl: '/photos/a%2Fb?versionId=V', headers: [] })
const front = { requestId: 'R', client: '192.0.2.7', precheck: undefined }
const asked = { front, identity: alice, operation: getObject, request }

it('says of what the file system refuses the call and no path, which has the object key in it', () => {
  const cause = Object.assign(new Error("EACCES: openat2 'photos/a/b'"), { code: 'EACCES', syscall: 'openat2' })
  const late = denialWithoutDecision({ ...asked, error: new NamespaceError('AccessDenied', {}, cause) })
  expect(late).toEqual({
    ...{ requestId: 'R', identity: alice, action: 's3:GetObject' },
    resource: { bucket: 'photos', key: 'a/b', versionId: 'V' },
    reason: 'the file system refuses this account (EACCES from openat2)',
  })
  expect(JSON.stringify(denialLine(late, 'hash'))).not.toContain('a/b')
})

it('has the sentence of the answer where nobody has decided, and the code where there is none', () => {
  const expired = new AuthError('AccessDenied', { message: 'Request has expired' })
  const early = denialWithoutDecision({ front, error: expired })
  expect(early).toEqual({ requestId: 'R', reason: 'Request has expired' })
  expect(denialLine(early, 'plain')).toEqual({ requestId: 'R', reason: 'Request has expired' })
  const cause = Object.assign(new Error('EACCES'), { code: 'EACCES', syscall: 'openat2' })
  const message = 'The file system does not allow this to uid 1000 (EACCES).'
  const error = new NamespaceError('AccessDenied', { message }, cause)
  expect(denialWithoutDecision({ ...asked, error }).reason).toBe(message)
  expect(denialWithoutDecision({ ...asked, error: new AuthError('AccessDenied') }).reason).toBe('AccessDenied')
})
