/** Whether the whole road stands: a request through nginx to a worker and back. */
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { CommandError } from './command-error.ts'

/**
 * Resolves when `endpoint` gives an S3 answer (without a signature that is AccessDenied). nginx's own error pages are none: they
 * are 502 or above while no worker answers. Throws CommandError after `timeoutMs`.
 */
export async function waitUntilReady(endpoint: string, timeoutMs: number): Promise<void> {
  const deadline = Date.now() + timeoutMs
  let last = 'no answer'
  while (Date.now() < deadline) {
    last = await probe(endpoint)
    if (last === 'ready') return
    await sleep(50)
  }
  throw new CommandError(
    `${endpoint} does not answer after ${timeoutMs / 1000} seconds (${last}); see the logs in the state directory.`,
  )
}

function probe(endpoint: string): Promise<string> {
  const request = endpoint.startsWith('https:') ? requestHttps : requestHttp
  return new Promise((resolve) => {
    // Only whether it answers: nothing is told to this peer, and a site's own certificate need not name 127.0.0.1.
    const sent = request(`${endpoint}/`, { rejectUnauthorized: false, timeout: 2000, agent: false }, (response) => {
      response.resume()
      const isS3 = response.headers['x-amz-request-id'] !== undefined
      resolve(isS3 && (response.statusCode ?? 500) < 500 ? 'ready' : `status ${response.statusCode}`)
    })
    sent.on('timeout', () => sent.destroy(new Error('timeout')))
    sent.on('error', (error) => resolve(error.message))
    sent.end()
  })
}
