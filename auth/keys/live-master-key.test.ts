import { chmod, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Problem } from '../directory/directory.ts'
import { type LiveMasterKey, openMasterKey } from './live-master-key.ts'

let folder = ''
let path = ''
let problems: Problem[] = []
let key: LiveMasterKey
const line = (byte: number) => `${Buffer.alloc(32, byte).toString('base64')}\n`

async function put(...bytes: readonly number[]): Promise<void> {
  await writeFile(`${path}.new`, bytes.map(line).join(''), { mode: 0o600 })
  await rename(`${path}.new`, path)
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'live-master-key-'))
  path = join(folder, 'master.key')
  problems = []
  await put(1)
  key = await openMasterKey(path, { checkEveryMs: 10, problems: (problem) => problems.push(problem) })
})
afterEach(async () => {
  key.close()
  await rm(folder, { recursive: true })
})

it('takes new lines while it is in use, and still opens with the former one', async () => {
  const former = key.subkey('access-keys')
  await put(1, 2)
  await vi.waitFor(() => expect(key.ids).toHaveLength(2))
  expect(key.subkey('access-keys')).toEqual(former)
  const next = key.subkeys('access-keys')[1]
  await put(2, 1)
  await vi.waitFor(() => expect(key.subkey('access-keys')).toEqual(next))
  expect(key.id).toBe(key.ids[0])
  expect(key.findSubkey('access-keys', former.id)).toEqual(former)
  expect(problems).toEqual([])
})

it.each([
  ['is another one', () => put(7)],
  ['is damaged', () => writeFile(path, 'rubbish\n')],
  ['can be read by others', () => chmod(path, 0o644)],
  ['is gone', () => rm(path)],
])('keeps the last good one when the file %s, and tells it once', async (_, change) => {
  const before = key.id
  await change()
  await vi.waitFor(() => expect(problems).toHaveLength(1))
  await new Promise((resolve) => setTimeout(resolve, 60))
  expect([key.id, key.ids]).toEqual([before, [before]])
  expect(problems).toMatchObject([{ path }])
  expect(JSON.stringify(problems)).not.toContain(line(1).trim())
})

it('that is missing at the start is refused with a sentence', async () => {
  await rm(path)
  await expect(openMasterKey(path)).rejects.toThrow(`The master key ${path} is missing; restore it from its backup.`)
})
