import { expect, it } from 'vitest'
import { knownUids } from './known-uids.ts'

function knowing(answer: (uid: number) => string | undefined) {
  const asked: number[] = []
  const clock = { ms: 0 }
  const uids = knownUids({
    async read(uid) {
      asked.push(uid)
      return answer(uid)
    },
    graceMs: 300_000,
    now: () => clock.ms,
  })
  return { asked, clock, uids }
}

it('many files of one uid are one question, whether it is anybody’s or not', async () => {
  const { asked, uids } = knowing((uid) => (uid === 1000 ? 'alice' : undefined))
  const answers = await Promise.all([1000, 7, 1000, 7, 1000].map(uids.find))
  expect(answers).toEqual(['alice', undefined, 'alice', undefined, 'alice'])
  expect(await uids.find(1000)).toBe('alice')
  expect(await uids.find(7)).toBeUndefined()
  expect(asked).toEqual([1000, 7])
})

it('an answer is used for a minute, or until it turns out wrong', async () => {
  let owner: string | undefined
  const { asked, clock, uids } = knowing(() => owner)
  expect(await uids.find(1000)).toBeUndefined()
  owner = 'alice'
  clock.ms = 60_000
  expect(await uids.find(1000)).toBeUndefined()
  clock.ms = 60_001
  expect(await uids.find(1000)).toBe('alice')
  owner = 'bob'
  expect(await uids.find(1000)).toBe('alice')
  uids.forget(1000)
  expect(await uids.find(1000)).toBe('bob')
  expect(asked).toHaveLength(3)
})

it('while the directory does not answer, its last answer holds for the grace', async () => {
  let away = false
  const { clock, uids } = knowing(() => {
    if (away) throw new Error('away')
    return 'alice'
  })
  await uids.find(1000)
  away = true
  clock.ms = 300_000
  expect(await uids.find(1000)).toBe('alice')
  await expect(uids.find(1001)).rejects.toThrow('away')
  clock.ms = 300_001
  await expect(uids.find(1000)).rejects.toThrow('away')
  away = false
  expect(await uids.find(1000)).toBe('alice')
})
