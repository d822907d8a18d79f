import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openKeyStore } from './key-store.ts'
import { findLastUse, recordKeyUse } from './key-use.ts'
import { createMasterKey } from './master-key.ts'

let directory = ''
let nowMs = 0
const minute = 60_000
const started = Date.parse('2026-11-28T12:00:00Z')
const now = () => new Date(nowMs)
const open = () => recordKeyUse({ directory, everyMs: 10 * minute, now })
const lastUse = () => findLastUse(directory, 'AAA')

beforeEach(async () => {
  nowMs = started
  directory = await mkdtemp(join(tmpdir(), 'key-use-'))
  await writeFile(join(directory, 'AAA.json'), 'the record')
})
afterEach(() => rm(directory, { recursive: true }))

it('the first use is recorded at once, the next ones when ten minutes are over, and what came last on leaving', async () => {
  const uses = open()
  expect(await lastUse()).toBeUndefined()
  uses.note('AAA')
  await uses.settled()
  expect(await lastUse()).toEqual(new Date(started))
  for (const minutes of [1, 5, 9]) {
    nowMs = started + minutes * minute
    uses.note('AAA')
    await uses.settled()
    expect(await lastUse()).toEqual(new Date(started))
  }
  nowMs = started + 10 * minute
  uses.note('AAA')
  await uses.settled()
  expect(await lastUse()).toEqual(now())
  nowMs += minute
  uses.note('AAA')
  await uses.close()
  expect(await lastUse()).toEqual(now())
  expect(await readFile(join(directory, 'AAA.json'), 'utf8')).toBe('the record')
  expect((await stat(join(directory, 'AAA.used'))).mode & 0o777).toBe(0o600)
})

it('a temporary key, which has no record, asks nothing of the tree', async () => {
  const asked: string[] = []
  const write = async (_: string, accessKeyId: string) => {
    asked.push(accessKeyId)
    return undefined
  }
  const uses = recordKeyUse({ directory, everyMs: 10 * minute, now, write })
  for (const id of ['CW0ABCDEFGHIJKLMNOPQ', 'AAA', 'CW0ABCDEFGHIJKLMNOPQ']) uses.note(id)
  await uses.close()
  expect(asked).toEqual(['AAA'])
})

it('what another machine has recorded later is never put back, and spares a write within the ten minutes', async () => {
  const [here, there] = [open(), open()]
  here.note('AAA')
  await here.settled()
  nowMs += minute
  there.note('AAA')
  await there.settled()
  expect(await lastUse()).toEqual(new Date(started))
  nowMs += 20 * minute
  there.note('AAA')
  await there.settled()
  const latest = now()
  nowMs -= 5 * minute
  here.note('AAA')
  await here.close()
  expect(await lastUse()).toEqual(latest)
  await there.close()
})

it('a worker that is killed loses less than ten minutes', async () => {
  const killed = open()
  for (let minutes = 0; minutes < 45; minutes++) {
    nowMs = started + minutes * minute
    killed.note('AAA')
    await killed.settled()
  }
  expect(nowMs - ((await lastUse())?.getTime() ?? 0)).toBeLessThan(10 * minute)
})

it('a key that is not there, e.g. a temporary one or one that was removed, leaves no file behind', async () => {
  const uses = open()
  uses.note('ASIATEMPORARY')
  uses.note('../AAA')
  await uses.close()
  expect(await readdir(directory)).toEqual(['AAA.json'])
})

it('goes with its key', async () => {
  const masterKey = await createMasterKey(join(directory, 'master.key'))
  const keys = openKeyStore({ directory: join(directory, 'keys'), masterKey })
  const { accessKeyId } = await keys.createKey('alice')
  const uses = recordKeyUse({ directory: join(directory, 'keys'), now })
  uses.note(accessKeyId)
  await uses.settled()
  expect(await readdir(join(directory, 'keys'))).toHaveLength(2)
  await keys.removeKey(accessKeyId)
  expect(await readdir(join(directory, 'keys'))).toEqual([])
  await uses.close()
})

it('a thousand uses at once are one write', async () => {
  const uses = open()
  for (let count = 0; count < 1000; count++) uses.note('AAA')
  await uses.settled()
  await utimes(join(directory, 'AAA.used'), new Date(0), new Date(0))
  for (let count = 0; count < 1000; count++) uses.note('AAA')
  await uses.settled()
  expect(await lastUse()).toEqual(new Date(0))
})

it('where nothing can be written a use costs nobody anything, and is told', async () => {
  const problems: unknown[] = []
  const nowhere = join(directory, 'AAA.json', 'no-directory')
  const uses = recordKeyUse({ directory: nowhere, everyMs: 0, now, problems: (problem) => problems.push(problem) })
  uses.note('AAA')
  uses.note('AAA')
  await uses.close()
  expect(problems).toHaveLength(1)
})

it('a worker leaves although the tree does not answer', async () => {
  const asked = Promise.withResolvers<undefined>()
  const uses = recordKeyUse({ directory, everyMs: 10 * minute, now, leaveWithinMs: 50, write: () => asked.promise })
  uses.note('AAA')
  await sleep(1)
  await uses.close()
  asked.resolve(undefined)
})
