import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { exclusively } from './exclusively.ts'

let folder = ''
let path = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'exclusively-'))
  path = join(folder, '.lock')
})
afterEach(() => rm(folder, { recursive: true }))

it('of many at once one works at a time, and the lock is gone afterwards, after an error too', async () => {
  let inside = 0
  let most = 0
  const turns = Array.from({ length: 10 }, (_, index) =>
    exclusively(path, async () => {
      most = Math.max(most, ++inside)
      await sleep(2)
      inside--
      if (index === 3) throw new Error('broken')
    }),
  )
  const ended = await Promise.allSettled(turns)
  expect(ended.filter(({ status }) => status === 'rejected')).toHaveLength(1)
  expect(most).toBe(1)
  expect(await readdir(folder)).toEqual([])
})

it('a lock that a killed command left behind is given up after a while, and not before', async () => {
  await writeFile(path, '')
  const started = performance.now()
  let inside = 0
  let most = 0
  const work = async () => {
    most = Math.max(most, ++inside)
    await sleep(5)
    inside--
  }
  await Promise.all(Array.from({ length: 8 }, () => exclusively(path, work, 300)))
  expect(performance.now() - started).toBeGreaterThan(300)
  expect(most).toBe(1)
  expect(await readdir(folder)).toEqual([])
})
