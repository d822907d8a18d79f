import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Event, journalAt, readJournal } from './power-loss-journal.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp('/tmp/causeway-journal-')
})
afterEach(() => rm(directory, { recursive: true }))

const event = (id: string): Event => ({ at: 'answered', id, done: true })

test('what was written is read; a last line that the cut has broken off is none', async () => {
  const path = join(directory, 'boot-0.jsonl')
  expect(await readJournal(path)).toEqual([])
  const journal = journalAt(path)
  for (const id of ['1', '2']) journal.write(event(id))
  await appendFile(path, JSON.stringify(event('3')).slice(0, -1))
  expect(await readJournal(path)).toEqual([event('1'), event('2')])
  await appendFile(path, '}')
  expect(await readJournal(path)).toEqual([event('1'), event('2')])
})
