/**
 * Makes the load, in a process of its own so that its processor time can be told from the servers'. Started by run-load.ts only.
 * undici below its promises and streams: a handler that counts bytes is the cheapest client that Node has.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, type Dispatcher } from 'undici'
import { fillerBody } from './body.ts'
import type { FromLoad, LoadJob, LoadRequest, LoadResult, ToLoad } from './load-job.ts'

const ANSWER_TIMEOUT_MS = 120_000
/** So that what a server does after its last answer of the warm-up (a log line) is not in the measurement. */
const SETTLE_MS = 50

type Counts = { requests: number; receivedBytes: number; failures: number; failure: string | undefined }

process.on('message', (received) => {
  const message = received as ToLoad // run-load.ts at the other end
  if (message.kind === 'job') run(message.job).catch(fail)
})
// The benchmark has ended or died.
process.once('disconnect', () => process.exit(0))

async function run(job: LoadJob): Promise<void> {
  const body = job.bodyBytes > 0 ? fillerBody(job.bodyBytes) : undefined
  const clients = Array.from({ length: job.connections }, () => connect(job))
  const warmUp = counts()
  await Promise.all(clients.map((client, index) => exchange(client, requestAt(job, index), body, warmUp)))
  await sleep(SETTLE_MS)

  const go = new Promise<void>((resolve) => process.once('message', () => resolve()))
  tell({ kind: 'ready' })
  await go
  const measured = warmUp.failures > 0 ? { ...nothing(warmUp) } : await measure(job, clients, body)
  tell({ kind: 'done', result: measured })
  await Promise.all(clients.map((client) => client.destroy()))
  process.disconnect()
}

async function measure(job: LoadJob, clients: readonly Client[], body: Buffer | undefined): Promise<LoadResult> {
  const counted = counts()
  let sent = job.connections
  const [cpuBefore, began] = [process.cpuUsage(), performance.now()]
  const deadline = began + job.seconds * 1000
  await Promise.all(
    clients.map(async (client) => {
      while (performance.now() < deadline && sent - job.connections < job.most && counted.failures === 0) {
        await exchange(client, requestAt(job, sent++), body, counted)
      }
    }),
  )
  const seconds = (performance.now() - began) / 1000
  const { user, system } = process.cpuUsage(cpuBefore)
  return { ...counted, seconds, cpuMs: (user + system) / 1000 }
}

function connect({ origin, authority }: LoadJob): Client {
  return new Client(origin, {
    pipelining: 1,
    bodyTimeout: ANSWER_TIMEOUT_MS,
    headersTimeout: ANSWER_TIMEOUT_MS,
    ...(authority === undefined ? {} : { connect: { ca: authority } }),
  })
}

function requestAt({ requests }: LoadJob, index: number): LoadRequest {
  const request = requests[index % requests.length]
  if (request === undefined) throw new Error('a job has at least one request')
  return request
}

/** Resolves when the answer is whole or has failed; never rejects. */
function exchange(
  client: Client,
  { method, target, headers }: LoadRequest,
  body: Buffer | undefined,
  into: Counts,
): Promise<void> {
  return new Promise((resolve) => {
    let status = 0
    let refusal = ''
    const handler: Dispatcher.DispatchHandler = {
      // Without one, undici takes the handler for one of its older interface.
      onRequestStart() {},
      onResponseStart(_controller, statusCode) {
        status = statusCode
      },
      onResponseData(_controller, chunk) {
        into.receivedBytes += chunk.length
        if (status >= 300 && refusal.length < 500) refusal += chunk.toString('latin1')
      },
      onResponseEnd() {
        into.requests++
        if (status < 200 || status >= 300) note(into, `${method} ${target}: ${status} ${refusal}`)
        resolve()
      },
      onResponseError(_controller, error) {
        note(into, `${method} ${target}: ${error.message}`)
        resolve()
      },
    }
    // undici closes the connection after a HEAD unless it is told not to.
    client.dispatch({ method, path: target, headers, reset: false, body: body ?? null }, handler)
  })
}

function note(into: Counts, failure: string): void {
  into.failures++
  into.failure ??= failure
}

const counts = (): Counts => ({ requests: 0, receivedBytes: 0, failures: 0, failure: undefined })
const nothing = (warmUp: Counts): LoadResult => ({ ...warmUp, seconds: 0, cpuMs: 0 })

function tell(message: FromLoad): void {
  process.send?.(message)
}

function fail(error: unknown): void {
  const failure = error instanceof Error ? error.message : String(error)
  tell({ kind: 'done', result: nothing({ ...counts(), failures: 1, failure }) })
  process.disconnect()
}
