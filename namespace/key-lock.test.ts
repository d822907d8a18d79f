import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Files } from './files.ts'
import { type KeyLocks, keyLocks, lockOffset } from './key-lock.ts'
import { openPosixFiles } from './posix-files.ts'
import { makeDirectory, removeDirectory } from './testing/fixture.ts'

let directory: string
let opened: { files: Files; locks: KeyLocks }[]

beforeEach(async () => {
  directory = await makeDirectory()
  opened = []
})

afterEach(async () => {
  for (const { files, locks } of opened) {
    await locks.close()
    files.close()
  }
  await removeDirectory(directory)
})

/** Locks as one process has them; two of these exclude each other as two processes do (open-file-description locks). */
function worker(timeoutMs = 5_000): KeyLocks {
  const files = openPosixFiles(directory, { threads: 2 })
  const calls = files.as(undefined)
  const locks = keyLocks({ calls, open: () => calls.create('locks', 0o600, false), timeoutMs })
  opened.push({ files, locks })
  return locks
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

test('exclusive holders of one key never overlap, within a worker and between two', async () => {
  const workers = [worker(), worker()]
  let inside = 0
  let most = 0
  const enter = async (): Promise<void> => {
    inside += 1
    most = Math.max(most, inside)
    await pause(1)
    inside -= 1
  }
  await Promise.all(Array.from({ length: 60 }, (_, index) => workers[index % 2]?.hold('key', 'exclusive', enter)))
  expect(most).toBe(1)
})

test('shared holders overlap; an exclusive one waits for all of them, and they for it', async () => {
  const [one, two] = [worker(), worker()]
  const log: string[] = []
  const shared = (locks: KeyLocks, name: string): Promise<void> =>
    locks.hold('key', 'shared', async () => {
      log.push(`+${name}`)
      await pause(30)
      log.push(`-${name}`)
    })
  const readers = [shared(one, 'a'), shared(one, 'b'), shared(two, 'c')]
  await pause(10)
  const writer = two.hold('key', 'exclusive', async () => {
    log.push('writer')
  })
  await Promise.all([...readers, writer, pause(12).then(() => shared(two, 'd'))])
  expect(new Set(log.slice(0, 3))).toEqual(new Set(['+a', '+b', '+c']))
  expect(log.indexOf('writer')).toBeGreaterThan(log.lastIndexOf('-c'))
  expect(log.indexOf('+d')).toBeGreaterThan(log.indexOf('writer'))
})

test('a stream of plain writers in one worker does not starve a conditional one in another', async () => {
  const [busy, other] = [worker(), worker()]
  let stop = false
  const streams = Array.from({ length: 4 }, async () => {
    while (!stop) await busy.hold('key', 'shared', () => pause(2))
  })
  for (let round = 0; round < 5; round += 1) await other.hold('key', 'exclusive', async () => undefined)
  stop = true
  await Promise.all(streams)
})

test.each(['shared', 'exclusive'] as const)(
  'streams of %s writers in other processes do not starve a writer here',
  async (mode) => {
    const program = fileURLToPath(new URL('./testing/lock-stream.ts', import.meta.url))
    const streams = [1, 2].map(() =>
      spawn(process.execPath, [program, directory, mode], { stdio: ['ignore', 'pipe', 'inherit'] }),
    )
    try {
      await Promise.all(streams.map((stream) => once(stream.stdout, 'data')))
      const locks = worker(4000)
      for (const wanted of ['exclusive', 'shared', 'exclusive'] as const)
        await locks.hold('key', wanted, () => pause(5))
    } finally {
      for (const stream of streams) stream.kill('SIGKILL')
    }
  },
  20_000,
)

test('who waits behind a holder of the same worker gets SlowDown in time too', async () => {
  const locks = worker(100)
  await locks.hold('key', 'exclusive', async () => {
    await expect(locks.hold('key', 'shared', async () => 'in')).rejects.toMatchObject({ code: 'SlowDown' })
  })
  expect(await locks.hold('key', 'shared', async () => 'in')).toBe('in')
})

test('who does not get the lock in time gets SlowDown, and the next one gets the lock', async () => {
  const [holder, waiter] = [worker(), worker(100)]
  await holder.hold('key', 'exclusive', async () => {
    const tries = [1, 2, 3].map(() => waiter.hold('key', 'exclusive', async () => 'in'))
    for (const result of await Promise.allSettled(tries)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'SlowDown' } })
    }
  })
  expect(await waiter.hold('key', 'exclusive', async () => 'in')).toBe('in')
})

test('a failing holder lets go', async () => {
  const locks = worker()
  await expect(locks.hold('key', 'exclusive', () => Promise.reject(new Error('work')))).rejects.toThrow('work')
  expect(await worker().hold('key', 'exclusive', async () => 'in')).toBe('in')
})

test('offsets are those that README.md publishes: 63 bits of the SHA-1', () => {
  // sha1("a") = 86f7e437faa5a7fc…
  expect(lockOffset('a')).toBe(0x86f7e437faa5a7fcn >> 1n)
})
