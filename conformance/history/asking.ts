/** One call of an S3 client: sent once, timed, and what its answer comes to. */
import type { Answer } from '../connection.ts'
import type { FastClient, FastRequest } from '../fast-client.ts'
import { crc32Of, md5 } from '../random.ts'
import { type Condition, nowUs, type Outcome, type Seen } from './event.ts'

export type Asked = { readonly answer: Answer | undefined; readonly startUs: number; readonly timing: Timing }

type Timing = {
  readonly startUs: number
  readonly endUs: number
  readonly outcome: Outcome
  readonly status?: number
  readonly code?: string
  readonly requestId?: string
  readonly error?: string
}

/** `refusals`: the statuses that tell something of the key and have done nothing. Never throws. */
export async function ask(client: FastClient, request: FastRequest, refusals = [404, 412]): Promise<Asked> {
  const startUs = nowUs()
  try {
    const answer = await client.send(request)
    return { answer, startUs, timing: { startUs, endUs: nowUs(), ...factsOf(answer, refusals) } }
  } catch (error) {
    return {
      answer: undefined,
      startUs,
      timing: { startUs, endUs: nowUs(), outcome: 'unknown', error: String(error) },
    }
  }
}

/**
 * 200 with an error inside is one too (CompleteMultipartUpload, CopyObject). 503 is told apart from 500 by nobody: whether a lock was not had or a
 * worker died after the rename, the write may have happened.
 */
function factsOf({ status, code, requestId }: Answer, refusals: readonly number[]): Omit<Timing, 'startUs' | 'endUs'> {
  const told = { status, ...(code !== '' && { code }), ...(requestId !== '' && { requestId }) }
  if (status >= 500 || code === 'InternalError' || code === 'SlowDown') return { outcome: 'unknown', ...told }
  if (refusals.includes(status)) return { outcome: 'refused', ...told }
  if (status < 300 && code === '') return { outcome: 'done', ...told }
  return { outcome: 'nothing', ...told, code: code === '' ? String(status) : code }
}

/** Both must come with the bytes of that very write. */
export const described = (id: string) => ({ 'x-amz-meta-id': id, 'cache-control': id })

export const conditionHeaders = (condition: Condition | undefined): Record<string, string> => {
  if (condition === undefined) return {}
  return condition.kind === 'absent' ? { 'if-none-match': '*' } : { 'if-match': `"${condition.eTag}"` }
}

export const withCondition = (condition: Condition | undefined) => (condition === undefined ? {} : { condition })

export function answeredETag(answer: Answer | undefined): { answered?: string } {
  const eTag = answer?.status === 200 ? /<ETag>(?:&quot;|")?([^<&"]+)/.exec(answer.text)?.[1] : undefined
  return eTag === undefined ? {} : { answered: eTag }
}

export const unquoted = (eTag = '') => eTag.replaceAll('"', '')

export function seenOf({ headers, body }: Answer, withBody: boolean): Seen {
  const [meta, cacheControl] = [headers.get('x-amz-meta-id'), headers.get('cache-control')]
  const checksum = headers.get('x-amz-checksum-crc32')
  return {
    ...(withBody && { content: md5(body).toString('hex') }),
    sizeBytes: withBody ? body.length : Number(headers.get('content-length')),
    eTag: unquoted(headers.get('etag')),
    ...(meta !== undefined && { meta }),
    ...(cacheControl !== undefined && { cacheControl }),
    ...(withBody && checksum !== undefined && { checksumFits: checksum === crc32Of(body) }),
  }
}

/** Text of the first element of that name; '' without. What is asked for here needs no entities. */
export const within = (xml: string, name: string): string =>
  new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1] ?? ''

export const blocksOf = (xml: string, name: string): readonly string[] =>
  [...xml.matchAll(new RegExp(`<${name}>(.*?)</${name}>`, 'gs'))].map(([, inner = '']) => inner)
