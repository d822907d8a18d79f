import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { boundedFiles } from './bounded-files.ts'
import { byteLocks } from './byte-locks.ts'
import { FileError, type Files } from './files.ts'
import { cleanUp, whenBack } from './no-answer.ts'
import { openPosixFiles } from './posix-files.ts'
import { filesContract } from './testing/contract.ts'
import { hangingFiles } from './testing/hanging-files.ts'

const timeoutMs = 1000
const longTimeoutMs = 10_000

/** Answers at once, or as it is told. */
const pulseOf = (space: () => Promise<never> | undefined): Files => {
  const files = openPosixFiles(tmpdir(), { threads: 1 })
  const answer = { totalBytes: 0, availableBytes: 0 }
  return { ...files, as: (identity) => ({ ...files.as(identity), space: async () => space() ?? answer }) }
}

filesContract('files bounded in time', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'causeway-bounded-'))
  const plain = openPosixFiles(directory, { threads: 4 })
  const pulse = [openPosixFiles(directory, { threads: 1 })]
  const files = boundedFiles(plain, { timeoutMs: 60_000, longTimeoutMs: 60_000, threads: 4, pulse, changed: () => {} })
  return {
    files,
    directory,
    async close() {
      files.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
})

describe('on a mount whose server goes away', () => {
  let directory: string
  let mount: ReturnType<typeof hangingFiles>
  let files: ReturnType<typeof boundedFiles>
  let changes: number

  beforeEach(() => {
    // Time is what the test says; only the timer of bounded-files.ts is meant.
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    directory = mkdtempSync(join(tmpdir(), 'causeway-bounded-'))
    writeFileSync(join(directory, 'f'), 'content')
    mount = hangingFiles()
    changes = 0
    const pulse = [mount.openPulse(directory)]
    const limits = { timeoutMs, longTimeoutMs, threads: 4, pulse, changed: () => (changes += 1) }
    files = boundedFiles(mount.openFiles(directory, { threads: 4 }), limits)
  })
  afterEach(async () => {
    await mount.release()
    vi.useRealTimers()
    files.close()
    rmSync(directory, { recursive: true, force: true })
  })

  /** undefined while it is under way. */
  const outcomeOf = (work: Promise<unknown>): (() => string | undefined) => {
    let outcome: string | undefined
    work.then(
      () => (outcome = 'done'),
      (error: unknown) => (outcome = error instanceof FileError ? error.code : String(error)),
    )
    return () => outcome
  }
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)
  const settled = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

  test.each([
    ['find', () => files.as(undefined).find('f', { attribute: 'user.a', bodyBytesMax: 1, keepOpen: false })],
    ['statPath', () => files.as(undefined).statPath('f')],
    ['unlink', () => files.as(undefined).unlink('absent')],
    ['scan', () => files.as(undefined).scan('')],
    ['flushDirectory', () => files.as(undefined).flushDirectory('')],
  ] as const)('%s is answered ETIMEDOUT at its time-out, and not before', async (_call, call) => {
    mount.hang('')
    const outcome = outcomeOf(call())
    await pass(timeoutMs - 1)
    expect(outcome()).toBeUndefined()
    await pass(timeoutMs)
    expect(outcome()).toBe('ETIMEDOUT')
    expect(mount.hanging()).toHaveLength(1)
  })

  test('while the mount answers, one call that hangs is no reason to refuse others', async () => {
    mount.hang('', ['statPath'])
    const outcome = outcomeOf(files.as(undefined).statPath('f'))
    await pass(2 * timeoutMs)
    expect([outcome(), files.hung(), files.trouble()]).toEqual(['ETIMEDOUT', 1, undefined])
    await files.as(undefined).scan('')
    await mount.release()
    await settled()
    expect(files.hung()).toBe(0)
  })

  test('a flush and a large directory may take longer, while the mount answers, up to the long time-out', async () => {
    mount.hang('', ['flushDirectory', 'scan'])
    const outcomes = [files.as(undefined).flushDirectory(''), files.as(undefined).scan('')].map(outcomeOf)
    await pass(longTimeoutMs - timeoutMs)
    expect(outcomes.map((outcome) => outcome())).toEqual([undefined, undefined])
    await pass(2 * timeoutMs)
    expect(outcomes.map((outcome) => outcome())).toEqual(['ETIMEDOUT', 'ETIMEDOUT'])
  })

  test('where names are answered and bytes are not, a flush is not waited for either', async () => {
    const calls = files.as(undefined)
    const descriptor = await calls.open('f', 'read')
    mount.hang('', ['read', 'flush', 'scan'])
    const work = [calls.read(descriptor, Buffer.alloc(1), 0), calls.flush(descriptor), calls.scan('')]
    const outcomes = work.map(outcomeOf)
    await pass(2 * timeoutMs)
    expect(outcomes.map((outcome) => outcome())).toEqual(['ETIMEDOUT', 'ETIMEDOUT', undefined])
    expect(files.trouble()).toBeUndefined()
    await expect(calls.close(descriptor)).rejects.toMatchObject({ code: 'ETIMEDOUT' })
  })

  test('while the mount is silent nothing more is asked of it, and with its first answer calls pass', async () => {
    mount.hang('')
    const first = outcomeOf(files.as(undefined).statPath('f'))
    await pass(timeoutMs)
    expect(files.trouble()).toBe('does not answer')
    expect(changes).toBe(1)
    const before = mount.asked().length
    const refused = Array.from({ length: 100 }, () => files.as(undefined).statPath('f'))
    refused.push(files.as(undefined).statPath('g'))
    for (const each of refused) await expect(each).rejects.toMatchObject({ code: 'ETIMEDOUT' })
    await expect(files.as(undefined).lock(0, 1n, 'shared')).rejects.toMatchObject({ code: 'ETIMEDOUT' })
    expect(mount.asked()).toHaveLength(before)
    await pass(timeoutMs)
    expect(first()).toBe('ETIMEDOUT')
    await mount.release()
    await settled()
    expect([files.trouble(), changes]).toEqual([undefined, 2])
    expect(await files.as(undefined).statPath('f')).toMatchObject({ sizeBytes: 7 })
  })

  test('when as many calls hang as there are threads others are refused, and pass when one has come back', async () => {
    mount.hang('', ['statPath'])
    const hanging = Array.from({ length: 4 }, () => outcomeOf(files.as(undefined).statPath('f')))
    await pass(2 * timeoutMs)
    expect(hanging.map((outcome) => outcome())).toEqual(Array(4).fill('ETIMEDOUT'))
    expect(files.trouble()).toBe('has no thread left that does not hang')
    await expect(files.as(undefined).scan('')).rejects.toMatchObject({ code: 'ETIMEDOUT' })
    await mount.release()
    await settled()
    expect(files.trouble()).toBeUndefined()
    expect((await files.as(undefined).scan('')).count).toBe(1)
  })

  test('a descriptor that a call hangs on is closed when that has come back, and its bytes arrive in memory that nobody else has', async () => {
    const calls = files.as(undefined)
    const descriptor = await calls.open('f', 'read')
    mount.hang('', ['read'])
    const into = Buffer.alloc(7)
    const outcome = outcomeOf(calls.read(descriptor, into, 0))
    await pass(2 * timeoutMs)
    expect(outcome()).toBe('ETIMEDOUT')
    const closing = await calls.close(descriptor).catch((error: unknown) => error)
    expect(mount.open()).toEqual(['f'])
    let isBack = false
    void whenBack(closing)?.().then(() => (isBack = true))
    await settled()
    expect(isBack).toBe(false)
    await mount.release()
    await vi.waitFor(() => expect(isBack).toBe(true))
    expect(into.toString()).toBe('content')
    expect(mount.open()).toEqual([])
    expect(files.hung()).toBe(0)
  })

  test('what nobody waits for any more is closed when it comes, and a file made too late goes again', async () => {
    const calls = files.as(undefined)
    mount.hang('', ['open', 'create', 'find'])
    const work = [
      calls.open('f', 'read'),
      calls.create('made', 0o600, true),
      calls.find('f', { attribute: 'user.a', bodyBytesMax: -1, keepOpen: true }),
    ]
    const outcomes = work.map(outcomeOf)
    await pass(2 * timeoutMs)
    expect(outcomes.map((outcome) => outcome())).toEqual(['ETIMEDOUT', 'ETIMEDOUT', 'ETIMEDOUT'])
    await mount.release()
    await vi.waitFor(() => expect(files.hung()).toBe(0))
    expect(mount.open()).toEqual([])
    expect(readdirSync(directory)).toEqual(['f'])
  })

  test('a file that was there before stays when it is opened too late', async () => {
    mount.hang('', ['create'])
    const outcomes = [true, false].map((exclusive) => outcomeOf(files.as(undefined).create('f', 0o600, exclusive)))
    await pass(2 * timeoutMs)
    expect(outcomes.map((outcome) => outcome())).toEqual(['ETIMEDOUT', 'ETIMEDOUT'])
    await mount.release()
    await vi.waitFor(() => expect(files.hung()).toBe(0))
    expect(mount.open()).toEqual([])
    expect(readFileSync(join(directory, 'f'), 'utf8')).toBe('content')
  })

  test('a lock had too late is let go before the number of its descriptor can be another file', async () => {
    const calls = files.as(undefined)
    const descriptor = await calls.open('f', 'write')
    const other = await calls.open('f', 'write')
    mount.hang('', ['lock'])
    const locks = byteLocks(calls)
    await expect(locks.take(descriptor, { offset: 1n, mode: 'exclusive', deadline: Date.now() })).rejects.toMatchObject(
      { code: 'SlowDown' },
    )
    await expect(calls.close(descriptor)).rejects.toMatchObject({ code: 'ETIMEDOUT' })
    expect(mount.hanging()).toEqual([`lock ${descriptor}`])
    await mount.release()
    await vi.waitFor(() => expect(mount.open()).toEqual(['f']))
    expect(mount.asked().slice(-2)).toEqual([`lock ${descriptor}`, `close ${descriptor}`])
    expect(await calls.lock(other, 1n, 'exclusive')).toBe(true)
    await calls.close(other)
  })

  test('a close is never refused: while the mount is silent nobody waits for it, and it happens', async () => {
    const calls = files.as(undefined)
    const descriptor = await calls.open('f', 'read')
    mount.hang('')
    await pass(timeoutMs)
    await expect(calls.close(descriptor)).rejects.toMatchObject({ code: 'ETIMEDOUT' })
    expect(mount.open()).toEqual(['f'])
    await mount.release()
    await vi.waitFor(() => expect(mount.open()).toEqual([]))
  })

  test('what could not be taken away is taken away when the mount is back', async () => {
    mount.hang('')
    await pass(timeoutMs)
    await cleanUp(() => files.as(undefined).unlink('f'))
    expect(existsSync(join(directory, 'f'))).toBe(true)
    await mount.release()
    await vi.waitFor(() => expect(existsSync(join(directory, 'f'))).toBe(false))
  })
})

test.each([
  ['ESTALE', 'answers ESTALE'],
  ['EIO', 'answers EIO'],
  ['ENOTCONN', 'answers ENOTCONN'],
  ['ENOSYS', undefined],
] as const)('a mount whose root says %s: %s', async (code, trouble) => {
  const directory = mkdtempSync(join(tmpdir(), 'causeway-bounded-'))
  let broken = true
  let beats = 0
  const pulse = [
    pulseOf(() => {
      beats += 1
      return broken ? Promise.reject<never>(new FileError(code, 'fstatfs', '')) : undefined
    }),
  ]
  const limits = { timeoutMs: 80, longTimeoutMs, threads: 1, pulse, changed: () => {} }
  const files = boundedFiles(openPosixFiles(directory, { threads: 1 }), limits)
  await vi.waitFor(() => expect(beats).toBeGreaterThan(2))
  expect(files.trouble()).toBe(trouble)
  broken = false
  await vi.waitFor(() => expect(files.trouble()).toBeUndefined())
  files.close()
  rmSync(directory, { recursive: true })
})
