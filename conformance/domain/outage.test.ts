/** No controller answers: what goes on, what does not, and what the log and the metrics say. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { sendOnce } from '../connection.ts'
import type { Credentials } from '../sign.ts'
import { type Domain, type DomainInstance, startDomain } from './start-domain.ts'

const GRACE_MS = 6000

let domain: Domain
let gateway: DomainInstance
let bob: Credentials

beforeAll(async () => {
  domain = await startDomain()
  gateway = await domain.startGateway({ config: { identity: { stale_grace: `${GRACE_MS / 1000}s` } } })
  bob = await gateway.createKey('bob')
}, 200_000)

afterAll(async () => {
  await gateway?.stop()
  await domain?.stop()
})

const ask = (credentials: Credentials) => sendOnce(gateway, { method: 'GET', target: '/', credentials })

/** By both workers. */
async function codesOf(credentials: Credentials): Promise<ReadonlySet<string>> {
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(credentials)))
  return new Set(answers.map(({ status, code }) => `${status} ${code}`.trim()))
}

test('known users go on for the grace, unknown ones are told to come again; the log and the metrics say so, and all is well afterwards', {
  timeout: 60_000,
}, async () => {
  const alice = gateway.credentials
  expect(await codesOf(alice)).toEqual(new Set(['200']))
  await domain.controller.halt()
  const haltedMs = Date.now()
  await sleep(2000)
  expect(await codesOf(alice)).toEqual(new Set(['200']))
  expect(await codesOf(bob)).toEqual(new Set(['503 ServiceUnavailable']))
  expect(await metrics()).toMatch(/^causeway_directory_answers\{.*\} 0$/m)
  expect(await metrics()).toMatch(/^causeway_directory_stale_answers_total\{.*\} [1-9]/m)
  expect(await gateway.causeway(['keys', 'create', 'carol'])).toMatchObject({
    stderr: expect.stringMatching(/ECONNREFUSED.*\ncauseway: The user directory does not answer\. Please try again\.$/),
    exitCode: 1,
  })
  expect((await gateway.causeway(['keys', 'list'])).stdout).toContain(domain.seed.alice.guid)
  await sleep(haltedMs + GRACE_MS + 1000 - Date.now())
  expect(await codesOf(alice)).toEqual(new Set(['503 ServiceUnavailable']))
  await domain.controller.restart()
  await vi.waitFor(async () => expect(await codesOf(bob)).toEqual(new Set(['200'])), 15_000)
  expect(await codesOf(alice)).toEqual(new Set(['200']))
  const log = await readFile(join(gateway.directory, 'state/gateway.log'), 'utf8')
  for (const line of ['no domain controller answers', 'the domain answers again']) expect(log).toContain(line)
  expect(await metrics()).toMatch(/^causeway_directory_answers\{.*\} 1$/m)
})

async function metrics(): Promise<string> {
  const url = (await readFile(join(gateway.directory, 'state/admin.url'), 'utf8')).trim()
  return (await fetch(`${url}/metrics`)).text()
}
