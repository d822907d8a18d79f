import { pino } from 'pino'
import { expect, it } from 'vitest'
import type { ActiveDirectoryEvent } from '#auth'
import { directoryEvents } from './directory-events.ts'
import { createMetrics, mergeMetrics } from './metrics.ts'

function listening(level = 'info') {
  const lines: { level: number; msg: string; why?: string }[] = []
  const log = pino({ level }, { write: (line: string) => lines.push(JSON.parse(line)) })
  const metrics = createMetrics({ worker: 0 })
  const tell = directoryEvents(log, metrics)
  const counted = async (name: string) =>
    (await mergeMetrics([await metrics.collect()])).split('\n').filter((line) => line.startsWith(name))
  return { lines, tell, counted }
}

const revoked: ActiveDirectoryEvent = { kind: 'revoked', objectGuid: 'guid', userName: 'alice', why: 'disabled' }

it('the log and the metrics say when nobody answers and when somebody does again', async () => {
  const { lines, tell, counted } = listening()
  expect(await counted('causeway_directory_answers{')).toEqual(['causeway_directory_answers{worker="0"} 1'])
  tell({ kind: 'unreachable', cause: new Error('away') })
  expect(await counted('causeway_directory_answers{')).toEqual(['causeway_directory_answers{worker="0"} 0'])
  tell({ kind: 'stale answer', objectGuid: 'guid' })
  tell({ kind: 'reachable', silentMs: 3000 })
  expect(await counted('causeway_directory_answers{')).toEqual(['causeway_directory_answers{worker="0"} 1'])
  expect(await counted('causeway_directory_stale_answers_total{')).toEqual([
    'causeway_directory_stale_answers_total{worker="0"} 1',
  ])
  expect(lines.map(({ level }) => level)).toEqual([50, 30])
})

it('a revocation has a line with the name; the metrics have the reason only', async () => {
  const { lines, tell, counted } = listening()
  tell(revoked)
  expect(lines).toMatchObject([{ userName: 'alice', why: 'disabled', msg: 'a user has lost access' }])
  expect(await counted('causeway_directory_revocations_total{')).toEqual([
    'causeway_directory_revocations_total{why="disabled",worker="0"} 1',
  ])
})

it('latency and answers from memory are numbers, and no lines of every day', async () => {
  const { lines, tell, counted } = listening()
  tell({ kind: 'hit' })
  tell({ kind: 'asked', question: 'account', seconds: 0.0012, answered: true })
  expect(lines).toEqual([])
  expect(await counted('causeway_directory_hits_total{')).toEqual(['causeway_directory_hits_total{worker="0"} 1'])
  expect(await counted('causeway_directory_seconds_count')).toEqual([
    'causeway_directory_seconds_count{question="account",answered="yes",worker="0"} 1',
  ])
})

it('at level debug each question and each answer from memory has its line, but for the one of every second', () => {
  const { lines, tell } = listening('debug')
  tell({ kind: 'asked', question: 'position', seconds: 0.0003, answered: true })
  tell({ kind: 'asked', question: 'account', seconds: 0.00123, answered: true })
  tell({ kind: 'hit' })
  tell({ kind: 'stale answer', objectGuid: 'guid' })
  expect(lines).toMatchObject([
    { level: 20, question: 'account', ms: 1.2, answered: true, msg: 'the domain was asked' },
    { level: 20, msg: 'a user was known, the domain was not asked' },
    { level: 20, objectGuid: 'guid', msg: 'a user goes on as last known' },
  ])
})

it('what fails with every request is told once a minute', () => {
  const { lines, tell } = listening()
  for (let times = 0; times < 3; times++) tell({ kind: 'failed', cause: new Error('may not read') })
  expect(lines).toHaveLength(1)
})
