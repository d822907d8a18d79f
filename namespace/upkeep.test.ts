import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type DocsFixture, openDocs } from './testing/fixture.ts'
import { pausingFiles } from './testing/pausing-files.ts'

let fixture: DocsFixture

beforeEach(async () => {
  fixture = await openDocs({ lockTimeoutMs: 200 })
})

afterEach(() => fixture.close())

const leaveTemporary = async (name: string) => {
  const path = join(fixture.inBucket(), `.s3-${name}-left`)
  await writeFile(path, 'left')
  const long = new Date(Date.now() - 25 * 3_600_000)
  await utimes(path, long, long)
}

test('of several gateways one sweeps, and again when its time has come', async () => {
  const other = await fixture.another()
  await leaveTemporary('a')
  const swept = await Promise.all([fixture.open, other, fixture.open, other].map((each) => each.upkeep(3_600_000)))
  expect(swept.filter((each) => each !== undefined)).toEqual([{ temporaries: 1, uploads: 0 }])
  expect(await other.upkeep(3_600_000)).toBeUndefined()
  const hours = new Date(Date.now() - 2 * 3_600_000)
  await utimes(join(fixture.directory, '.causeway/swept'), hours, hours)
  expect(await other.upkeep(3_600_000)).toEqual({ temporaries: 0, uploads: 0 })
})

test('one that has died over it passes it on; while one is at it the others do not wait for long', async () => {
  const dying = pausingFiles()
  // Not a victim: it stands still for good, and what it holds is closed with the others.
  const dead = await fixture.another({ openFiles: dying.openFiles })
  await leaveTemporary('a')
  await mkdir(fixture.inBucket('deep'))
  let meanwhile: unknown = 'not paused'
  await new Promise<void>((resolve) => {
    // Far enough to hold the lock; the pause takes it away.
    dying.pauseAfter(6, async () => {
      meanwhile = await fixture.open.upkeep(3_600_000)
      resolve()
      return new Promise<void>(() => undefined)
    })
    void dead.upkeep(3_600_000)
  })
  expect(meanwhile).toEqual({ temporaries: 1, uploads: 0 })
  expect((await readdir(fixture.inBucket())).sort()).toEqual(['.s3', 'deep'])
})
