import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Files, PublishSteps } from '../files.ts'
import { openPosixFiles } from '../posix-files.ts'
import { filesContract } from './contract.ts'
import { contentOf, created, written } from './contract-tree.ts'
import { CrashError, faultyFiles, type Plan } from './faulty-files.ts'

let directory: string
let files: Files
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'causeway-faulty-'))
  files = openPosixFiles(directory, { threads: 2 })
})
afterEach(() => {
  files.close()
  rmSync(directory, { recursive: true, force: true })
})

filesContract('faulty files without a plan', async () => {
  const place = mkdtempSync(join(tmpdir(), 'causeway-faulty-contract-'))
  const inner = openPosixFiles(place, { threads: 4 })
  return {
    files: faultyFiles(inner),
    directory: place,
    async close() {
      inner.close()
      rmSync(place, { recursive: true, force: true })
    },
  }
})

const steps: PublishSteps = {
  mtimeNs: 1_700_000_000_123_456_789n,
  attribute: { name: 'user.causeway', value: Buffer.from('record') },
  flushFile: true,
  replace: true,
  flushDirectory: true,
}

/** Writes `new` beside an old key and publishes it; after a crash, everything is let go of. */
async function put(plan: Plan, replace: boolean) {
  const faulty = faultyFiles(files, plan)
  const calls = faulty.as(undefined)
  const failure = await (async () => {
    const descriptor = await created(calls, '.s3-1', 'new')
    await calls.publish(descriptor, '.s3-1', 'key', { ...steps, replace })
    await calls.close(descriptor)
  })().catch((error: unknown) => error)
  await faulty.bury()
  return { faulty, failure }
}

test('a crash after each change leaves exactly the changes before it', async () => {
  const calls = files.as(undefined)
  const left: unknown[] = []
  for (let crashAfter = 0; crashAfter <= 7; crashAfter++) {
    await written(calls, 'key', 'old')
    const { failure } = await put({ crashAfter }, true)
    expect(failure).toBeInstanceOf(CrashError)
    const temporary = await calls.find('.s3-1', { attribute: 'user.causeway', bodyBytesMax: 10, keepOpen: false })
    left.push([
      await contentOf(calls, 'key'),
      temporary?.body?.toString(),
      temporary?.stat.mtimeNs === steps.mtimeNs,
      temporary?.attribute?.toString(),
    ])
    for (const name of readdirSync(directory)) rmSync(join(directory, name))
  }
  expect(left).toEqual([
    ['old', undefined, false, undefined],
    ['old', '', false, undefined], // create
    ['old', 'new', false, undefined], // write
    ['old', 'new', true, undefined], // setModified
    ['old', 'new', true, 'record'], // writeAttribute
    ['old', 'new', true, 'record'], // flush
    ['new', undefined, false, undefined], // rename
    ['new', undefined, false, undefined], // flushDirectory, and the close does not come about
  ])
})

test('without replace, link and unlink are two changes', async () => {
  const { failure } = await put({ crashAfter: 6 }, false)
  expect(failure).toBeInstanceOf(CrashError)
  expect(readdirSync(directory).sort()).toEqual(['.s3-1', 'key'])
  expect(readFileSync(join(directory, 'key'), 'utf8')).toBe('new')
})

test('the changes are counted and named', async () => {
  const { faulty, failure } = await put({}, false)
  expect(failure).toBeUndefined()
  expect(faulty.changes()).toBe(8)
  expect(faulty.log()).toEqual([
    'create .s3-1',
    'write .s3-1',
    'setModified .s3-1',
    'writeAttribute .s3-1',
    'flush .s3-1',
    'link .s3-1 → key',
    'unlink .s3-1',
    'flushDirectory ',
  ])
})

test('after a crash nothing is read, written or closed any more', async () => {
  const faulty = faultyFiles(files, { crashAfter: 1 })
  const calls = faulty.as(undefined)
  const descriptor = await calls.create('f', 0o644, true)
  for (const call of [
    () => calls.statPath('f'),
    () => calls.unlink('f'),
    () => calls.close(descriptor),
    () => faulty.as({ uid: 1, gid: 1, groups: [] }).scan(''),
  ])
    await expect(call()).rejects.toBeInstanceOf(CrashError)
  expect(readdirSync(directory)).toEqual(['f'])
  await faulty.bury()
  await expect(files.as(undefined).stat(descriptor)).rejects.toMatchObject({ code: 'EBADF' })
})

test('burying the dead lets go of their locks', async () => {
  const calls = files.as(undefined)
  const mine = await created(calls, 'locks')
  const faulty = faultyFiles(files, { crashAfter: 1 })
  const theirs = await faulty.as(undefined).open('locks', 'write')
  expect(await faulty.as(undefined).lock(theirs, 1n, 'exclusive')).toBe(true)
  await faulty.as(undefined).makeDirectory('d', 0o755)
  expect(await calls.lock(mine, 1n, 'exclusive')).toBe(false)
  await faulty.bury()
  expect(await calls.lock(mine, 1n, 'exclusive')).toBe(true)
  await calls.close(mine)
})

test('a fault fails the calls it names: by call, path and count', async () => {
  const faulty = faultyFiles(files, {
    faults: [
      { call: 'write', path: /^b/, code: 'ENOSPC' },
      { call: 'create', nth: 3, code: 'EDQUOT' },
      { call: 'rename', path: /^target$/, code: 'ESTALE' },
    ],
  })
  const calls = faulty.as(undefined)
  const a = await calls.create('a', 0o644, true)
  await calls.write(a, Buffer.from('x'), 0)
  const b = await calls.create('b', 0o644, true)
  await expect(calls.write(b, Buffer.from('x'), 0)).rejects.toMatchObject({
    code: 'ENOSPC',
    syscall: 'write',
    path: 'b',
  })
  await expect(calls.create('c', 0o644, true)).rejects.toMatchObject({ code: 'EDQUOT', syscall: 'openat2' })
  await calls.close(await calls.create('c', 0o644, true))
  await expect(calls.rename('a', 'target')).rejects.toMatchObject({ code: 'ESTALE', syscall: 'renameat' })
  expect(readdirSync(directory).sort()).toEqual(['a', 'b', 'c'])
  expect((await calls.stat(b)).sizeBytes).toBe(0)
  await calls.close(a)
  await calls.close(b)
})

test('a fault inside publish leaves the steps before it, and the old object', async () => {
  await written(files.as(undefined), 'key', 'old')
  const { failure } = await put({ faults: [{ call: 'flush', code: 'EIO' }] }, true)
  expect(failure).toMatchObject({ name: 'FileError', code: 'EIO', syscall: 'fsync', path: 'key' })
  expect(readFileSync(join(directory, 'key'), 'utf8')).toBe('old')
  expect(readdirSync(directory).sort()).toEqual(['.s3-1', 'key'])
})

test('a seed delays calls, the same each time', async () => {
  const order = async (seed: number) => {
    const calls = faultyFiles(files, { delay: { seed, maxMs: 60 } }).as(undefined)
    const done: number[] = []
    await Promise.all(Array.from({ length: 6 }, (_, i) => calls.statPath('').then(() => done.push(i))))
    return done
  }
  const first = await order(4)
  expect([...first].sort()).toEqual([0, 1, 2, 3, 4, 5])
  expect(first).not.toEqual([0, 1, 2, 3, 4, 5])
})
