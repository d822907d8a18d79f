import { randomUUID } from 'node:crypto'
import { readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Announced, announce } from './gateways.ts'
import { openPosixFiles } from './posix-files.ts'
import { type Fixture, openFixture } from './testing/fixture.ts'

let fixture: Fixture
let files: ReturnType<typeof openPosixFiles>
const announced: Announced[] = []

beforeEach(async () => {
  fixture = await openFixture()
  files = openPosixFiles(fixture.directory, { threads: 1 })
})

afterEach(async () => {
  for (const each of announced.splice(0)) await each.stop()
  files.close()
  await fixture.close()
})

const options = { flush: false, nonce: () => randomUUID(), problems: () => undefined }
const start = async (client: string, fault?: string) => {
  const each = await announce(files.as(undefined), { client, fault }, options)
  announced.push(each)
  return each
}
const leases = () => readdir(join(fixture.directory, '.causeway/leases'))

test('gateways on mounts that are as they should be find each other good', async () => {
  await start('one 0:1')
  await start('two 0:2')
  expect(await leases()).toHaveLength(2)
})

test('one whose mount remembers names may be alone, or share its client, but is not one of several', async () => {
  await start('one 0:1', 'Mount it with lookupcache=none.')
  await start('one 0:1', 'Mount it with lookupcache=none.')
  await expect(start('two 0:2')).rejects.toThrow(
    'The gateway on one 0:1 cannot be one of several of this tree (the other is two 0:2): Mount it with lookupcache=none.',
  )
  expect(await leases()).toHaveLength(2)
})

test('it is refused as the second one, too', async () => {
  await start('one 0:1')
  await expect(start('two 0:2', 'Mount it with lookupcache=none.')).rejects.toThrow(/^This gateway cannot be one/)
})

test('a gateway that has died, or has been stopped, keeps nobody out', async () => {
  await start('dead 0:1', 'stale')
  const long = new Date(Date.now() - 120_000)
  for (const name of await leases()) await utimes(join(fixture.directory, '.causeway/leases', name), long, long)
  const stopped = await start('stopped 0:1', 'stale')
  await stopped.stop()
  await start('two 0:2')
  expect(await leases()).toHaveLength(1)
})

test('half of a lease, which a crash has left, goes when it is old', async () => {
  await start('one 0:1')
  const half = join(fixture.directory, '.causeway/leases/0123.json.4567.tmp')
  await writeFile(half, '')
  await start('two 0:2')
  expect(await leases()).toHaveLength(3)
  const long = new Date(Date.now() - 120_000)
  await utimes(half, long, long)
  await start('three 0:3')
  expect((await leases()).filter((name) => name.endsWith('.tmp'))).toEqual([])
})
