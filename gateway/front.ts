/**
 * What nginx says of a request, in the one header that it overwrites (nginx/template.ts):
 *
 *     X-Causeway-Front: <request id> <scheme> <client address> [precheck <Content-Length>]
 *
 * Believed only where nginx alone can reach the worker. Without nginx all this comes from the connection itself.
 */
import type { IncomingMessage } from 'node:http'
import { newRequestId } from './request-id.ts'

export type Front = {
  readonly requestId: string
  readonly scheme: 'http' | 'https'
  readonly client: string
  /** nginx asks, before it lets the body come, whether this request would be refused. */
  readonly precheck: { readonly contentLength: string | undefined } | undefined
}

const FRONT_HEADER = 'x-causeway-front'
/** The XML of a refusal on its way to nginx, which answers it to the client. */
export const REFUSAL_HEADER = 'x-causeway-refusal'

const FORM = /^([0-9a-fA-F]{16}) (https?) (\S+)(?: precheck ?(\d*))?$/

export function readFront(request: IncomingMessage, behindNginx: boolean): Front {
  const header = request.headers[FRONT_HEADER]
  const match = behindNginx && typeof header === 'string' ? FORM.exec(header) : null
  const [, requestId, scheme, client, contentLength] = match ?? []
  if (requestId === undefined || client === undefined) {
    const remote = request.socket?.remoteAddress ?? ''
    return { requestId: newRequestId(), scheme: 'http', client: remote, precheck: undefined }
  }
  return {
    requestId,
    scheme: scheme === 'https' ? 'https' : 'http',
    client,
    precheck: contentLength === undefined ? undefined : { contentLength: contentLength || undefined },
  }
}

/** The headers as the client sent them: without nginx's own, with the Content-Length that a pre-check goes without. */
export function clientHeaders(request: IncomingMessage, { precheck }: Front): (readonly [string, string])[] {
  const pairs: (readonly [string, string])[] = []
  for (let index = 0; index + 1 < request.rawHeaders.length; index += 2) {
    const name = request.rawHeaders[index] ?? ''
    const value = request.rawHeaders[index + 1] ?? ''
    if (name.length !== FRONT_HEADER.length || name.toLowerCase() !== FRONT_HEADER) pairs.push([name, value])
  }
  if (precheck?.contentLength !== undefined) pairs.push(['content-length', precheck.contentLength])
  return pairs
}
