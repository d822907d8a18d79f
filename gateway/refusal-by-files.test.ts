import { expect, it } from 'vitest'
import type { Identity } from '#auth'
import type { ObjectPath, ObjectTarget } from '#namespace'
import { loadConfig } from './config.ts'
import type { Denial } from './denial-line.ts'
import { refusalByFiles } from './refusal-by-files.ts'

const alice: Identity = {
  ...{ accessKeyId: 'CWA', userName: 'alice', displayName: 'Alice', canonicalId: 'a'.repeat(64), groups: [] },
  posix: { uid: 1000, gid: 100, groups: [] },
}
const denial: Denial = {
  ...{ requestId: 'R', identity: alice, action: 's3:GetObject', reason: 'EACCES' },
  resource: { bucket: 'photos', key: 'a', versionId: 'V' },
}
const directory = { type: 'directory', uid: 0, gid: 0, acl: undefined } as const
const way: ObjectPath = {
  kind: 'whole',
  components: [
    { ...directory, path: '/t', mode: 0o755 },
    { ...directory, path: '/t/a', type: 'file', uid: 1000, mode: 0o200 },
  ],
}
const { identity: kernel } = loadConfig(undefined, { identity: { enforcement: 'kernel', anonymous_uid: 77 } }, {})

it('finds the part of the way that refuses, for the version that was asked for', async () => {
  const asked: unknown[] = []
  const path = async (target: ObjectTarget | undefined) => {
    asked.push(target)
    return way
  }
  const refusal = refusalByFiles(kernel, path)
  expect(await refusal?.(denial)).toEqual({ path: '/t/a', mode: '--w------- 1000:0', text: 'owner may not read' })
  await refusal?.({ ...denial, action: 's3:CreateBucket', resource: { bucket: 'new', key: '' } })
  expect(asked).toEqual([denial.resource, undefined])
})

it('takes a request without a user for the configured one', async () => {
  const refusal = refusalByFiles(kernel, async () => way)
  expect((await refusal?.({ ...denial, identity: undefined }))?.text).toBe('other may not read')
})

it('says nothing of what no mode refuses, asks no file, or cannot be looked at', async () => {
  const open = refusalByFiles(kernel, async () => ({ ...way, components: way.components.slice(0, 1) }))
  expect(await open?.(denial)).toBeUndefined()
  const asked = refusalByFiles(kernel, () => Promise.reject(new Error('not to be asked')))
  expect(await asked?.({ ...denial, action: 's3:GetBucketPolicy' })).toBeUndefined()
  expect(await asked?.({ ...denial, action: undefined, resource: undefined })).toBeUndefined()
  expect(await asked?.(denial)).toBeUndefined()
})

it('is not there where the file system refuses no user', () => {
  expect(refusalByFiles({ ...kernel, enforcement: 'service' }, async () => way)).toBeUndefined()
})
