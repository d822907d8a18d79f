import { expect, test } from 'vitest'
import { byteLocks } from './byte-locks.ts'

type LockCall = { readonly mode: string; readonly answer: (held: boolean) => void }

/** A lock file whose server answers when the test wants it to. */
function slowLocks() {
  const made: LockCall[] = []
  const lock = (_descriptor: number, _offset: bigint, mode: string) =>
    new Promise<boolean>((resolve) => void made.push({ mode, answer: resolve }))
  return { made, bytes: byteLocks({ lock }) }
}

const soon = () => Date.now() + 20
const later = () => Date.now() + 5000

test('a lock call that does not come back is SlowDown at the deadline, and what it gets later is let go', async () => {
  const { made, bytes } = slowLocks()
  await expect(bytes.take(3, { offset: 7n, mode: 'exclusive', deadline: soon() })).rejects.toMatchObject({
    code: 'SlowDown',
  })
  made[0]?.answer(true)
  await expect.poll(() => made.map(({ mode }) => mode)).toEqual(['exclusive', 'none'])
})

test('while a call hangs the next one for this byte waits, since the old one would change its lock; other bytes do not', async () => {
  const { made, bytes } = slowLocks()
  await expect(bytes.take(3, { offset: 7n, mode: 'shared', deadline: soon() })).rejects.toThrow()
  const next = bytes.take(3, { offset: 7n, mode: 'exclusive', deadline: later() })
  const other = bytes.take(3, { offset: 8n, mode: 'exclusive', deadline: later() })
  made[1]?.answer(true)
  expect(await other).toBe(true)
  expect(made.map(({ mode }) => mode)).toEqual(['shared', 'exclusive'])
  made[0]?.answer(true)
  await expect.poll(() => made.length).toBe(3)
  made[2]?.answer(true)
  await expect.poll(() => made.length).toBe(4)
  made[3]?.answer(true)
  expect(await next).toBe(true)
  expect(made.map(({ mode }) => mode)).toEqual(['shared', 'exclusive', 'none', 'exclusive'])
})

test('a request that waits behind a hanging call has a deadline of its own', async () => {
  const { bytes } = slowLocks()
  await expect(bytes.take(3, { offset: 7n, mode: 'shared', deadline: soon() })).rejects.toThrow()
  await expect(bytes.take(3, { offset: 7n, mode: 'shared', deadline: soon() })).rejects.toMatchObject({
    code: 'SlowDown',
  })
})

test('letting go never fails and never waits for long', async () => {
  const { made, bytes } = slowLocks()
  await bytes.drop(3, 7n)
  expect(made.map(({ mode }) => mode)).toEqual(['none'])
})
