/** LIST right after something came into the directory: nothing that was remembered of it is good any more. */
import { closeSync, openSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { clientOf } from './one-request.ts'
import type { Sample } from './report.ts'
import { BUCKET, flatPrefix } from './scenario.ts'
import type { Scheme, Server } from './server.ts'

const LISTINGS = 8
/** Long enough that processor time of the change itself is over. */
const PAUSE_MS = 150

export async function changedDirectory(server: Server, scheme: Scheme, count: number): Promise<Sample> {
  const client = clientOf(server, scheme)
  const added = join(server.tree ?? '', BUCKET, flatPrefix(count), 'added')
  const query = `list-type=2&max-keys=1000&prefix=${encodeURIComponent(flatPrefix(count))}`
  const own = process.cpuUsage()
  const before = server.processorTime()
  let seconds = 0
  try {
    for (let turn = 0; turn < LISTINGS; turn++) {
      if (turn % 2 === 0) closeSync(openSync(added, 'w'))
      else unlinkSync(added)
      await sleep(PAUSE_MS)
      const began = performance.now()
      await client.send({ method: 'GET', bucket: BUCKET, key: '', query })
      seconds += (performance.now() - began) / 1000
    }
  } finally {
    await client.close()
  }
  const [after, spent] = [server.processorTime(), process.cpuUsage(own)]
  return {
    requests: LISTINGS,
    seconds,
    nginxCpuMs: after && before && after.nginx - before.nginx,
    workersCpuMs: after && before && after.workers - before.workers,
    clientCpuMs: (spent.user + spent.system) / 1000,
  }
}
