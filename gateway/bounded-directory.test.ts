import { expect, it } from 'vitest'
import type { Directory } from '#auth'
import { boundedDirectory } from './bounded-directory.ts'

const identity = {
  accessKeyId: 'AKIA',
  canonicalId: 'a'.repeat(64),
  displayName: 'alice',
  userName: 'alice',
  groups: [],
}
const found = { secret: 'secret', identity: { ...identity, email: undefined, posix: undefined } }

const directoryOf = (find: Directory['findByAccessKey']): Directory => ({
  findByAccessKey: find,
  authenticate: async () => undefined,
  findByCanonicalId: async () => undefined,
  findByEmail: async () => undefined,
  findByUid: async () => undefined,
  findByUserId: async () => undefined,
  close: async () => undefined,
})

it('an answer in time is passed on', async () => {
  const directory = boundedDirectory(
    directoryOf(async () => found),
    { timeoutMs: 60_000, isAway: () => false },
  )
  expect(await directory.findByAccessKey('AKIA')).toBe(found)
})

it('what is known at once is not waited for, and not told while the mount is away', async () => {
  let isAway = false
  const known = boundedDirectory(
    directoryOf(() => found),
    { timeoutMs: 60_000, isAway: () => isAway },
  )
  expect(known.findByAccessKey('AKIA')).toBe(found)
  isAway = true
  await expect(known.findByAccessKey('AKIA')).rejects.toMatchObject({ code: 'SlowDown' })
})

it('a directory that does not answer is SlowDown', async () => {
  const directory = boundedDirectory(
    directoryOf(() => new Promise(() => {})),
    { timeoutMs: 10, isAway: () => false },
  )
  await expect(directory.findByAccessKey('AKIA')).rejects.toMatchObject({ code: 'SlowDown' })
})

it('while its mount is away it is not even asked', async () => {
  let asked = 0
  let isAway = true
  const directory = boundedDirectory(
    directoryOf(async () => {
      asked += 1
      return found
    }),
    { timeoutMs: 60_000, isAway: () => isAway },
  )
  await expect(directory.findByAccessKey('AKIA')).rejects.toMatchObject({ code: 'SlowDown' })
  expect(asked).toBe(0)
  isAway = false
  expect(await directory.findByAccessKey('AKIA')).toBe(found)
})
