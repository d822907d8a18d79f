/**
 * Runs in the guest, once for each boot: starts two gateways on what the last cut has left, looks at it, and loads them until the next
 * one. What it has to do is in $LAB_OUT/task.json, what it did in $LAB_OUT/boot-<n>.jsonl.
 */
import { access, mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { fastClient } from '../../conformance/fast-client.ts'
import { makeVersionedBucket } from '../../conformance/history/versioned/create-versioned-bucket.ts'
import { type Instance, startInstance, until } from '../../conformance/instance.ts'
import { versionedBucket } from './power-loss-client.ts'
import { journalAt } from './power-loss-journal.ts'
import { createBucket, runLoad } from './power-loss-load.ts'
import { clearAway, endUploads, listKeys, lookAt } from './power-loss-look.ts'
import type { Task } from './power-loss-task.ts'
import { hasLock, lookAtVersions } from './power-loss-versions-look.ts'

const place = (name: string): string => {
  const directory = process.env[name]
  if (directory === undefined) throw new Error(`${name} is not set; run this by npm run lab:nfs -- --only power-loss.`)
  return directory
}

const out = place('LAB_OUT')
// Written by power-loss.ts.
const task: Task = JSON.parse(await readFile(join(out, 'task.json'), 'utf8'))
const journal = journalAt(join(out, `boot-${task.boot}.jsonl`))
const trees =
  task.on === 'nfs'
    ? [join(place('LAB_GATEWAY_1'), 'tree'), join(place('LAB_GATEWAY_2'), 'tree')]
    : [join(place('LAB_BACKING'), 'tree'), join(place('LAB_BACKING'), 'tree')]

try {
  await noteFileSystem()
  // Node keeps what it has compiled when a process ends of itself, which no other one here does: later boots start in half the time.
  if (task.boot === 0) for (const each of (await startGateways()).toReversed()) await each.stop()
  const gateways = await startGateways()
  const [gateway] = gateways
  if (gateway === undefined) throw new Error('There is no gateway.')
  const clients = gateways.map((each) => fastClient(each, 16))
  const [client] = clients
  if (client === undefined) throw new Error('There is no client.')
  if (task.boot === 0) {
    await createBucket(client)
    await makeVersionedBucket(client, versionedBucket)
    // It has been there for long, by the time the power goes; `relaxed` may lose what is young.
    await execa('sync', [])
  }
  const seen = await lookAt(client, journal, task.keys)
  await listKeys(client, journal)
  const versions = { known: await lookAtVersions(client, journal), hasLock: await hasLock(client) }
  const changed = await endUploads(client, journal, task.boot, task.uploads)
  for (const [key, version] of await lookAt(client, journal, changed)) seen.set(key, version)
  if (task.clears) await clearAway(gateway, journal, () => sweepOnce(gateway))
  if (task.loads) await runLoad({ clients, journal, seed: task.seed, boot: task.boot, seen, versions })
  for (const each of clients) await each.close()
  for (const each of gateways.toReversed()) {
    for (const message of await each.errors()) journal.write({ at: 'error', message })
    await each.stop()
  }
} catch (error) {
  journal.write({ at: 'error', message: error instanceof Error ? `${error.stack}` : String(error) })
  // Connections are open and gateways run, which end with this process.
  process.exit(1)
}

/** A file system that the cut has found in the middle of something replays its log when it is mounted. */
async function noteFileSystem(): Promise<void> {
  const { stdout } = await execa('/bin/dmesg', [])
  const lines = stdout.split('\n').filter((line) => line.includes('(ubda)'))
  journal.write({
    at: 'mounted',
    replayed: lines.some((line) => /starting recovery|recovery complete/i.test(line)),
    complaints: lines.filter((line) => /corrupt|error|fail|shut|bad|unlinked/i.test(line)),
  })
}

async function startGateways(): Promise<readonly Instance[]> {
  // What must outlive the cut beside the tree: kept by an administrator elsewhere, here outside the guest.
  const identity = { master_key_file: join(out, 'identity/master.key'), users_file: join(out, 'identity/users.toml') }
  await mkdir(join(out, 'identity'), { recursive: true })
  const config = { identity, namespace: { durability: task.durability } }
  const program = [join(import.meta.dirname, '../causeway'), 'serve']
  const gateways: Instance[] = []
  for (const root of trees) {
    await mkdir(root, { recursive: true })
    gateways.push(await startInstance({ root, workers: 1, program, config }))
  }
  return gateways
}

/** The gateways' own sweep: a minute after a start, if there has been none within the hour. */
async function sweepOnce(gateway: Instance): Promise<void> {
  const swept = join(gateway.tree, '.causeway/swept')
  await gateway.crash()
  await rm(swept, { force: true })
  await gateway.start()
  const isThere = () =>
    access(swept).then(
      () => true,
      () => false,
    )
  await until('the gateway has swept', isThere, 150_000)
}
