/** What must be there before a scenario is measured. */
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { fillerBody } from './body.ts'
import { clientOf } from './one-request.ts'
import { runLoad } from './run-load.ts'
import { BUCKET, flatName, flatPrefix, type Scenario } from './scenario.ts'
import type { Scheme, Server } from './server.ts'
import type { Wanted } from './signed-request.ts'

const CONNECTIONS = 16

/** Each thing once: knows what it has made. */
export function preparer() {
  const made = new Set<string>()
  const once = async (name: string, make: () => Promise<void>): Promise<void> => {
    if (made.has(name)) return
    await make()
    made.add(name)
  }
  return {
    async prepare(scenario: Scenario, server: Server): Promise<void> {
      const scheme = server.schemes[0]
      if (!server.isS3 || scheme === undefined) return
      await once(`${server.name} bucket`, () => makeBucket(server, scheme))
      const { needsFlat } = scenario
      if (needsFlat !== undefined) await once(`${server.name} ${needsFlat}`, () => makeFlat(server, scheme, needsFlat))
      if (scenario.kind !== 'load' || scenario.needs.length === 0) return
      const { needs } = scenario
      await once(`${server.name} ${needs[0]}`, () => putAll(server, scheme, needs, scenario.keyBytes))
    },
  }
}

async function makeBucket(server: Server, scheme: Scheme): Promise<void> {
  const client = clientOf(server, scheme)
  try {
    await client.send({ method: 'PUT', bucket: BUCKET, key: '', payload: 'unsigned' })
  } catch (error) {
    if (!String(error).includes('BucketAlready')) throw error // another endpoint may have it from the last time
  } finally {
    await client.close()
  }
}

async function putAll(server: Server, scheme: Scheme, keys: readonly string[], bytes: number): Promise<void> {
  const wanted = keys.map((key): Wanted => ({ method: 'PUT', bucket: BUCKET, key, payload: 'unsigned' }))
  const client = clientOf(server, scheme)
  const body = fillerBody(bytes)
  for (const one of wanted) await client.send(one, body)
  await client.close()
}

/** By the file system where that can be reached: empty files that no S3 client has written. */
async function makeFlat(server: Server, scheme: Scheme, count: number): Promise<void> {
  if (server.tree !== undefined) {
    const directory = join(server.tree, BUCKET, flatPrefix(count))
    mkdirSync(directory, { recursive: true })
    for (let index = 0; index < count; index++) closeSync(openSync(join(directory, flatName(index)), 'w'))
    return
  }
  const wanted = Array.from(
    { length: count },
    (_, index): Wanted => ({
      method: 'PUT',
      bucket: BUCKET,
      key: flatPrefix(count) + flatName(index),
      payload: 'unsigned',
    }),
  )
  const job = { origin: server.origin(scheme), authority: server.authority, connections: CONNECTIONS, bodyBytes: 0 }
  const requests = wanted.map((one) => server.request(one, scheme))
  await runLoad({ ...job, requests, seconds: 3600, most: count - CONNECTIONS }, () => undefined)
}
