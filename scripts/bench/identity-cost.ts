/**
 * What knowing who asks costs a worker: the directory that gateway/main.ts opens, asked as often as by requests, and processor time of this
 * process meanwhile. What it does besides is in it: the cache that is filled anew each 0.75 s, files that are looked at once a second, the domain that is
 * asked where it stands, the note of a key's last use.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { announceKeyReader, openDirectory, openMasterKey, recordKeyUse } from '#auth'
import { boundedDirectory } from '../../gateway/bounded-directory.ts'
import type { Config } from '../../gateway/config.ts'
import { directoryEvents } from '../../gateway/directory-events.ts'
import { createDirectoryMetrics } from '../../gateway/directory-metrics.ts'
import { identityProvider } from '../../gateway/identity-provider.ts'

export type Pace = {
  readonly perSecond: number
  readonly seconds: number
}

export type CostSample = {
  readonly requests: number
  /** User and system time, of all threads. */
  readonly cpuMs: number
}

/** Requests that come while this sleeps are made up for at once, as if they had waited in a socket. */
const TICK_MS = 20
/** So that the first answers, which wait for files and the domain, are not counted. */
const SETTLE_SECONDS = 1

const log = pino({ level: 'silent' })
// Not all of a worker's: watching the event loop costs more than what is measured here.
const metrics = { directoryEvent: createDirectoryMetrics([new Registry()]) }

/** Of requests that are signed with these keys in turn. Throws where the directory does not know one. */
export async function identityCost(config: Config, accessKeyIds: readonly string[], pace: Pace): Promise<CostSample> {
  const keysDirectory = join(config.namespace.root, '.causeway', 'keys')
  const masterKey = await openMasterKey(config.identity.masterKeyFile)
  const opened = await openDirectory({
    provider: identityProvider(config),
    keysDirectory,
    policiesDirectory: join(config.namespace.root, '.causeway', 'policies'),
    masterKey,
    events: directoryEvents(log, metrics),
  })
  const timeoutMs = config.namespace.callTimeoutSeconds * 1000
  const directory = boundedDirectory(opened, { timeoutMs, isAway: () => false })
  const keyReader = await announceKeyReader({ directory: keysDirectory, masterKey })
  const keyUse = recordKeyUse({ directory: keysDirectory })
  let asked = 0
  const ask = async () => {
    const accessKeyId = accessKeyIds[asked++ % accessKeyIds.length] ?? ''
    const found = await directory.findByAccessKey(accessKeyId)
    if (found === undefined) throw new Error(`the directory knows no access key ${accessKeyId}`)
    keyUse.note(found.identity.accessKeyId)
  }
  try {
    return await costOfAsking(ask, pace)
  } finally {
    await keyUse.close()
    await keyReader.close()
    await directory.close()
    masterKey.close()
  }
}

/** Of the same pace when nobody is asked: to be taken from the cost of asking. */
export function paceCost(pace: Pace): Promise<CostSample> {
  return costOfAsking(async () => await undefined, pace)
}

async function costOfAsking(ask: () => Promise<void>, pace: Pace): Promise<CostSample> {
  await askAt(ask, { ...pace, seconds: SETTLE_SECONDS })
  const before = process.cpuUsage()
  const requests = await askAt(ask, pace)
  const { user, system } = process.cpuUsage(before)
  return { requests, cpuMs: (user + system) / 1000 }
}

async function askAt(ask: () => Promise<void>, { perSecond, seconds }: Pace): Promise<number> {
  const began = performance.now()
  for (let asked = 0; ; await sleep(TICK_MS)) {
    const elapsed = (performance.now() - began) / 1000
    while (asked < Math.min(elapsed, seconds) * perSecond) {
      await ask()
      asked++
    }
    if (elapsed >= seconds) return asked
  }
}
