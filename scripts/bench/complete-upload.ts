/** CompleteMultipartUpload of 64 × 16 MiB: the parts are uploaded outside of the measurement. */
import { createHash } from 'node:crypto'
import { fillerBody } from './body.ts'
import { clientOf } from './one-request.ts'
import type { Sample } from './report.ts'
import { runLoad } from './run-load.ts'
import { BUCKET } from './scenario.ts'
import type { Scheme, Server } from './server.ts'
import type { Wanted } from './signed-request.ts'

const PARTS = 64
const PART_BYTES = 16 * 2 ** 20
const CONNECTIONS = 4

export async function completeUpload(server: Server, scheme: Scheme): Promise<Sample> {
  const key = 'complete'
  const client = clientOf(server, scheme)
  try {
    const begun = await client.send({ method: 'POST', bucket: BUCKET, key, query: 'uploads=' })
    const uploadId = /<UploadId>([^<]+)<\/UploadId>/.exec(begun)?.[1] ?? ''
    await uploadParts(server, scheme, key, uploadId)
    const before = { at: performance.now(), cpu: server.processorTime(), client: process.cpuUsage() }
    await client.send(
      { method: 'POST', bucket: BUCKET, key, query: `uploadId=${uploadId}`, payload: 'unsigned' },
      Buffer.from(listOfParts()),
    )
    const seconds = (performance.now() - before.at) / 1000
    const [cpu, own] = [server.processorTime(), process.cpuUsage(before.client)]
    await client.send({ method: 'DELETE', bucket: BUCKET, key })
    return {
      requests: 1,
      seconds,
      nginxCpuMs: cpu && before.cpu && cpu.nginx - before.cpu.nginx,
      workersCpuMs: cpu && before.cpu && cpu.workers - before.cpu.workers,
      clientCpuMs: (own.user + own.system) / 1000,
    }
  } finally {
    await client.close()
  }
}

async function uploadParts(server: Server, scheme: Scheme, key: string, uploadId: string): Promise<void> {
  const part = (partNumber: number): Wanted => {
    const query = `partNumber=${partNumber}&uploadId=${uploadId}`
    return { method: 'PUT', bucket: BUCKET, key, query, payload: 'unsigned' }
  }
  const requests = Array.from({ length: PARTS }, (_, index) => server.request(part(index + 1), scheme))
  const job = { origin: server.origin(scheme), authority: server.authority, requests, bodyBytes: PART_BYTES }
  // Those of the warm-up count: each connection's first request is a part.
  await runLoad({ ...job, connections: CONNECTIONS, seconds: 3600, most: PARTS - CONNECTIONS }, () => undefined)
}

/** All parts have the same bytes, so their ETags are known. */
function listOfParts(): string {
  const eTag = createHash('md5').update(fillerBody(PART_BYTES)).digest('hex')
  const parts = Array.from(
    { length: PARTS },
    (_, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>"${eTag}"</ETag></Part>`,
  )
  return `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts.join('')}</CompleteMultipartUpload>`
}
