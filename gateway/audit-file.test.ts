import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type AuditFile, type AuditFileOptions, type AuditTrouble, openAuditFile } from './audit-file.ts'

let directory: string
let path: string
let troubles: AuditTrouble[]
let lost: number
let opened: AuditFile[]

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'audit-'))
  path = join(directory, 'logs', 'audit.log')
  troubles = []
  lost = 0
  opened = []
})
afterEach(() => {
  for (const file of opened) file.close()
  vi.useRealTimers()
  rmSync(directory, { recursive: true })
})

function open(changes: Partial<AuditFileOptions> = {}): AuditFile {
  const trouble = (each: AuditTrouble) => troubles.push(each)
  const file = openAuditFile({ path, roots: [join(directory, 'tree')], trouble, lost: () => lost++, ...changes })
  opened.push(file)
  return file
}

const linesOf = (file: string): unknown[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))

it('lines are appended, in a file that others cannot read, made with its directory', () => {
  open().write({ n: 1, text: 'ä\n' })
  open().write({ n: 2 })
  expect(readFileSync(path, 'utf8')).toBe('{"n":1,"text":"ä\\n"}\n{"n":2}\n')
  expect(statSync(path).mode & 0o777 & 0o137).toBe(0)
  expect(troubles).toEqual([])
})

it('after the file was moved away reopen makes a new one', () => {
  const file = open()
  file.write({ n: 1 })
  renameSync(path, `${path}.1`)
  file.write({ n: 2 })
  file.reopen()
  file.write({ n: 3 })
  expect([linesOf(`${path}.1`), linesOf(path)]).toEqual([[{ n: 1 }, { n: 2 }], [{ n: 3 }]])
})

it('where no new one can be made the old one goes on, and that is told', () => {
  const file = open()
  renameSync(path, `${path}.1`)
  mkdirSync(path)
  file.reopen()
  file.write({ n: 1 })
  expect(linesOf(`${path}.1`)).toEqual([{ n: 1 }])
  expect(troubles).toEqual([{ lines: 0, err: expect.objectContaining({ code: 'EISDIR' }) }])
  expect(lost).toBe(0)
})

it('lines of several processes follow each other whole, of whatever length', async () => {
  const [writers, each] = [4, 500]
  const module = new URL('./audit-file.ts', import.meta.url).href
  const program = `
    const { openAuditFile } = await import(${JSON.stringify(module)})
    const file = openAuditFile({ path: process.argv[1], roots: [], trouble: ({ err }) => { throw err } })
    const writer = Number(process.argv[2])
    for (let n = 0; n < ${each}; n++) file.write({ writer, n, text: String(writer).repeat((n * 37) % 20000) })
  `
  const run = (writer: number) =>
    execa(process.execPath, ['--input-type=module', '-e', program, path, String(writer)], { timeout: 30_000 })
  await Promise.all(Array.from({ length: writers }, (_, writer) => run(writer)))
  const lines = linesOf(path) as { writer: number; n: number; text: string }[] // what the programs have written
  expect(lines).toHaveLength(writers * each)
  for (const { writer, n, text } of lines) expect(text).toBe(String(writer).repeat((n * 37) % 20000))
  for (let writer = 0; writer < writers; writer++) {
    expect(lines.filter((line) => line.writer === writer).map(({ n }) => n)).toEqual([...Array(each).keys()])
  }
}, 60_000)

describe('a file that cannot be written', () => {
  it('loses lines without an error, each is counted, and it is told at once and then once a minute', () => {
    vi.useFakeTimers()
    const file = open({ path: '/dev/full' })
    for (let n = 0; n < 5; n++) file.write({ n })
    expect(lost).toBe(5)
    expect(troubles).toEqual([{ lines: 1, err: expect.objectContaining({ code: 'ENOSPC' }) }])
    vi.advanceTimersByTime(59_000)
    expect(troubles).toHaveLength(1)
    vi.advanceTimersByTime(1000)
    expect(troubles[1]).toMatchObject({ lines: 4 })
    vi.advanceTimersByTime(60_000)
    expect(troubles).toHaveLength(2)
    file.write({ n: 5 })
    expect(troubles[2]).toMatchObject({ lines: 1 })
    file.write({ n: 6 })
    file.close()
    expect(troubles[3]).toMatchObject({ lines: 1 })
  })

  it('is tried again after a second', () => {
    vi.useFakeTimers()
    mkdirSync(path, { recursive: true })
    const file = open()
    expect(troubles).toEqual([{ lines: 0, err: expect.objectContaining({ code: 'EISDIR' }) }])
    rmSync(path, { recursive: true })
    file.write({ n: 1 })
    expect(existsSync(path)).toBe(false)
    vi.advanceTimersByTime(1000)
    file.write({ n: 2 })
    expect(linesOf(path)).toEqual([{ n: 2 }])
    expect(lost).toBe(1)
  })

  it('in the middle of a line does not spoil the next one', () => {
    const written: Buffer[] = []
    let room = 20
    const writeBytes = (_descriptor: number, bytes: Uint8Array): number => {
      if (room === 0) throw Object.assign(new Error('full'), { code: 'ENOSPC' })
      const taken = Buffer.from(bytes.subarray(0, room))
      room -= taken.length
      written.push(taken)
      return taken.length
    }
    const file = open({ writeBytes })
    file.write({ n: 'first' })
    file.write({ n: 'second' })
    room = 1000
    file.write({ n: 'third' })
    expect(Buffer.concat(written).toString()).toBe('{"n":"first"}\n{"n":"\n{"n":"third"}\n')
    // One write a line, but for what a full disk cut.
    expect(written).toHaveLength(3)
    expect(lost).toBe(1)
  })
})

describe('a file in the tree', () => {
  it('is refused, also by a symbolic link to where nothing is yet', () => {
    const tree = join(directory, 'tree')
    mkdirSync(tree)
    symlinkSync(tree, join(directory, 'link'))
    symlinkSync(join(tree, 'a.log'), join(directory, 'audit.log'))
    expect(() => open({ path: join(tree, 'a.log') })).toThrow(
      `log.audit_file is ${tree}/a.log, inside the served tree ${tree}; choose a path outside it.`,
    )
    expect(() => open({ path: join(directory, 'link', 'new', 'a.log') })).toThrow(/\/new\/a\.log\), inside the served/)
    expect(() => open({ path: join(directory, 'audit.log') })).toThrow(/inside the served tree/)
    expect(existsSync(join(tree, 'new'))).toBe(false)
    expect(existsSync(join(tree, 'a.log'))).toBe(false)
    expect(() => open({ path: `${tree}.log` })).not.toThrow()
  })

  it('is not opened by a reopen either', () => {
    const file = open()
    mkdirSync(join(directory, 'tree'))
    renameSync(join(directory, 'logs'), join(directory, 'old'))
    symlinkSync(join(directory, 'tree'), join(directory, 'logs'))
    file.reopen()
    file.write({ n: 1 })
    expect(existsSync(join(directory, 'tree', 'audit.log'))).toBe(false)
    expect(linesOf(join(directory, 'old', 'audit.log'))).toEqual([{ n: 1 }])
    expect(troubles).toHaveLength(1)
  })
})
