import { processorTime } from './processor-time.ts'
import type { Scheme, Server } from './server.ts'
import { type Credentials, signedRequest } from './signed-request.ts'

/**
 * An S3 endpoint that runs already. `pid`: of its first process, where it runs on this machine; without it only rates are measured.
 * `credentials` must be good for making a bucket.
 */
export function otherEndpoint(url: string, credentials: Credentials, pid: number | undefined): Server {
  const { protocol, host, origin } = new URL(url)
  const scheme: Scheme = protocol === 'https:' ? 'https' : 'http'
  return {
    name: host,
    isS3: true,
    schemes: [scheme],
    origin: () => origin,
    authority: undefined,
    request: (wanted) => signedRequest(wanted, origin, credentials),
    processorTime: () => (pid === undefined ? undefined : processorTime(pid)),
    stop: async () => {},
  }
}
