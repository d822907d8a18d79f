import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadConfig, underDataDirectory } from '../config.ts'
import { describeLinks, probeLinks } from './diagnose-links.ts'

let directory: string
const tree = (...path: readonly string[]): string => join(directory, 'tree', ...path)

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'causeway-links-'))
  for (const path of [tree(), tree('docs'), tree('.causeway'), join(directory, 'state')]) mkdirSync(path, 0o755)
})
afterEach(() => rmSync(directory, { recursive: true }))

async function probe(linkedFileUids: number[] = [], enforcement: 'service' | 'kernel' = 'service') {
  const settings = underDataDirectory(directory)
  const namespace = { ...settings.namespace, linked_file_uids: linkedFileUids }
  const overrides = { ...settings, namespace, identity: { enforcement } }
  return probeLinks(loadConfig(undefined, overrides, {}))
}

const told = (path: string) => ({
  level: 'good',
  sentence: expect.stringMatching(
    `^Others than the gateway's account may write ${path}: .*second name .*linked_file_uids`,
  ),
})

test('nothing is said where the gateway alone writes', async () => {
  chmodSync(tree('.causeway'), 0o777)
  expect(await probe()).toEqual([])
})

test.each(['', 'docs'])(
  'where others may write the tree (%j), it is said that linked files are refused',
  async (name) => {
    chmodSync(tree(name), 0o775)
    expect(await probe()).toEqual([told(tree(name))])
    expect(await probe([], 'kernel')).toEqual([])
  },
)

test.skipIf(process.getuid?.() !== 0)('the directory of somebody else is one that others may write', async () => {
  chownSync(tree('docs'), 30_004, 30_004)
  expect(await probe()).toEqual([told(tree('docs'))])
})

test('the uids that are let through are named', () => {
  expect(describeLinks('Others may', [34]).sentence).toContain('are refused to S3 clients except those of uid 34;')
  expect(describeLinks('Others may', [34, 35]).sentence).toContain('except those of uids 34, 35;')
})

test("the gateway's own uid is warned of: all objects are its", async () => {
  const uid = process.getuid?.() ?? -1
  expect(await probe([uid + 1])).toEqual([])
  expect(await probe([uid])).toEqual([{ level: 'warning', sentence: expect.stringContaining(`has ${uid}, `) }])
})
