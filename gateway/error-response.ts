/** Anything thrown → S3's error XML, or that of STS. Pure: the caller logs what is `unexpected`, once. */

import { AuthError } from '#auth'
import { NamespaceError } from '#namespace'
import { GatewayError } from './gateway-error.ts'
import { type ErrorRow, edgeErrors, s3Errors } from './s3-errors.ts'
import { stsError, stsErrorXml } from './sts-error.ts'
import { escapeXml } from './xml.ts'

export type ErrorContext = {
  readonly requestId: string
  readonly hostId: string
  /** The path as the client sent it, percent-encoding untouched. */
  readonly resource: string
  readonly method: string
  /** Whose document it is to be. Default: S3's. */
  readonly service?: 'sts' | undefined
}

export type ErrorReply = {
  readonly status: number
  readonly headers: Readonly<Record<string, string | number>>
  /** undefined for HEAD and 304: then no body may be sent (P-018, P-019). */
  readonly body: string | undefined
  /** S3's code, for the log. */
  readonly code: string
  /** Nobody foresaw this error: log it, once, with its stack and cause. */
  readonly unexpected: boolean
}

export function errorReply(error: unknown, context: ErrorContext): ErrorReply {
  const { code, detail, unexpected } = known(error)
  const row: ErrorRow = s3Errors[code]
  if (context.service === 'sts') return { ...replyOfSts(stsError(code, row, detail.message), context), unexpected }
  // A 304 repeats the headers that the 200 would have had (P-019); it has no elements.
  const isHeader = code === 'NotModified' ? () => true : (name: string) => HEADER.test(name)
  const body = hasNoBody(row.status, context.method) ? undefined : errorXml(code, row, detail, isHeader, context)
  return {
    status: row.status,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(body) }),
      ...headersOf(detail, isHeader),
      'x-amz-request-id': context.requestId,
      'x-amz-id-2': context.hostId,
    },
    body,
    code,
    unexpected,
  }
}

function replyOfSts(error: ReturnType<typeof stsError>, { requestId }: ErrorContext): Omit<ErrorReply, 'unexpected'> {
  const body = stsErrorXml(error, requestId)
  const headers = {
    'content-type': 'text/xml',
    'content-length': Buffer.byteLength(body),
    'x-amzn-requestid': requestId,
    'x-amz-request-id': requestId,
  }
  return { status: error.status, headers, body, code: error.code }
}

type Detail = Readonly<Record<string, string | number | undefined>> & { readonly message?: string }
type Known = { readonly code: keyof typeof s3Errors; readonly detail: Detail; readonly unexpected: boolean }

/** Names of `detail` that are headers; all others are elements of the XML. */
const HEADER = /^(?:allow|last-modified|retry-after|content-range|x-amz-.*)$/i

function known(error: unknown): Known {
  if (error instanceof NamespaceError || error instanceof AuthError || error instanceof GatewayError) {
    // The sentence of an internal error may tell paths of this machine: the log has it, the client the table's.
    if (error.code === 'InternalError') return { code: error.code, detail: {}, unexpected: true }
    return { code: error.code, detail: error.detail, unexpected: false }
  }
  const edge = edgeErrors[codeOf(error)]
  if (edge !== undefined) return { code: edge, detail: {}, unexpected: false }
  return { code: 'InternalError', detail: {}, unexpected: true }
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return ''
  return typeof error.code === 'string' ? error.code : ''
}

function hasNoBody(status: number, method: string): boolean {
  return method === 'HEAD' || status === 304
}

function headersOf(detail: Detail, isHeader: (name: string) => boolean): Record<string, string | number> {
  const headers: Record<string, string | number> = {}
  for (const [name, value] of Object.entries(detail)) {
    if (value !== undefined && name !== 'message' && isHeader(name)) headers[name.toLowerCase()] = value
  }
  return headers
}

/** `<Error><Code/><Message/>…<RequestId/><HostId/></Error>`; unlike all other roots it has no namespace. */
function errorXml(
  code: string,
  row: ErrorRow,
  detail: Detail,
  isHeader: (name: string) => boolean,
  context: ErrorContext,
): string {
  const elements: [string, string | number | undefined][] = [
    ['Code', code],
    ['Message', detail.message ?? row.message],
    ...Object.entries(detail).filter(([name]) => name !== 'message' && !isHeader(name)),
    ...('Resource' in detail ? [] : ([['Resource', context.resource]] as const)),
    ['RequestId', context.requestId],
    ['HostId', context.hostId],
  ].filter((element): element is [string, string | number | undefined] => element[1] !== undefined)
  const inner = elements.map(([name, value]) => `<${name}>${escapeXml(String(value))}</${name}>`).join('')
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Error>${inner}</Error>`
}
