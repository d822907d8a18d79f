import { expect, test } from 'vitest'
import type { User } from '#auth'
import type { AskedOfFiles } from '../mode-lines.ts'
import { type Explained, explanation } from './explanation.ts'

const alice: User = {
  id: 'alice',
  userName: 'alice',
  displayName: 'Alice',
  canonicalId: 'a'.repeat(64),
  groups: ['staff'],
  posix: { uid: 1000, gid: 100, groups: [] },
  disabled: false,
}

const owned = { allow: true, reason: 'alice owns the bucket' }
const stranger = { allow: false, reason: 'alice does not own the bucket and nothing else allows s3:GetObject' }
const files = (mode: number, enforcement: AskedOfFiles['enforcement']): AskedOfFiles => ({
  who: alice.posix,
  path: {
    kind: 'whole',
    components: [
      { path: '/t', type: 'directory', mode: 0o755, uid: 0, gid: 0, acl: undefined },
      { path: '/t/a', type: 'file', mode, uid: 0, gid: 100, acl: undefined },
    ],
  },
  need: 'read',
  enforcement,
})

const asked = (changes: Partial<Explained> = {}): Explained => ({
  asker: { user: alice, lines: ['access keys: CWA'], whyRefused: undefined },
  decision: owned,
  files: files(0o640, 'service'),
  authSysMounts: [],
  ...changes,
})

const verdict = (changes: Partial<Explained>) => explanation(asked(changes)).lines.at(-1)

test('the chain goes from the key to the verdict', () => {
  expect(explanation(asked())).toEqual({
    allow: true,
    lines: [
      'access keys: CWA',
      `user: alice (${'a'.repeat(64)})`,
      'groups: staff',
      'uid: 1000, gid 100, supplementary gids none',
      'rights: alice owns the bucket',
      'mode bits (not asked: enforcement is service):',
      '  drwxr-xr-x  0:0    other may search  /t',
      '  -rw-r-----  0:100  group may read    /t/a',
      'allowed: alice owns the bucket',
    ],
  })
})

test('mode bits refuse where enforcement is kernel, and say nothing where it is service', () => {
  expect(verdict({ files: files(0o600, 'service') })).toBe('allowed: alice owns the bucket')
  expect(explanation(asked({ files: files(0o600, 'kernel') })).allow).toBe(false)
  expect(verdict({ files: files(0o600, 'kernel') })).toBe('denied: /t/a (-rw------- 0:100): group may not read')
  expect(verdict({ files: files(0o640, 'kernel') })).toBe('allowed: alice owns the bucket')
})

test('what S3 denies stays denied whatever the mode bits give', () => {
  expect(verdict({ decision: stranger, files: files(0o644, 'kernel') })).toBe(`denied: ${stranger.reason}`)
  expect(verdict({ decision: stranger, files: files(0o600, 'kernel') })).toBe(`denied: ${stranger.reason}`)
})

test('where enforcement is kernel, a user without a uid is denied what touches files', () => {
  const asker = { ...asked().asker, user: { ...alice, posix: undefined } }
  const nobody = { ...files(0o644, 'kernel'), who: undefined }
  expect(verdict({ asker, files: nobody })).toBe('denied: alice has no uid, which enforcement kernel needs')
  expect(verdict({ asker, files: undefined })).toBe('allowed: alice owns the bucket')
})

test('a key that does not work is the reason, whatever else there is', () => {
  const asker = { ...asked().asker, whyRefused: 'the access key CWA is disabled' }
  expect(verdict({ asker })).toBe('denied: the access key CWA is disabled')
  expect(explanation(asked({ asker })).lines).toContain('rights: alice owns the bucket')
})

test('of a key whose user is gone nothing is said but that', () => {
  const asker = { user: undefined, lines: ['access key: CWA, enabled'], whyRefused: 'the directory has nobody' }
  expect(explanation(asked({ asker })).lines).toEqual([
    'access key: CWA, enabled',
    'user: none',
    'denied: the directory has nobody',
  ])
})

test('an object that is not there is no denial, and no success', () => {
  expect(explanation(asked({ decision: { missing: 'NoSuchKey' } }))).toMatchObject({ allow: false })
  expect(verdict({ decision: { missing: 'NoSuchKey' } })).toBe('not there: S3 answers NoSuchKey')
})
