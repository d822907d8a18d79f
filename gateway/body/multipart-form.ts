/**
 * multipart/form-data (RFC 7578), piece by piece. A push parser like that of aws-chunked, so that a file goes on through blocks.ts as any
 * other body does: views of the pieces are handed on, nothing but an unfinished line is held.
 *
 *     --boundary\r\n
 *     Content-Disposition: form-data; name="key"\r\n
 *     \r\n
 *     cat.jpg\r\n--boundary--                 the line end before a boundary belongs to it
 */

import { GatewayError } from '../gateway-error.ts'

export type Part = {
  /** As sent; '' when there is none. */
  readonly name: string
  /** Without directories, which some browsers send; '' when there is none. */
  readonly fileName: string
}

export type PartReader = {
  /** A part begins. false: take nothing of the rest of this piece. */
  readonly begin: (part: Part) => boolean
  /** Of the part that began last. */
  readonly data: (bytes: Buffer) => void
}

export type FormParser = {
  /** Answers what is left of the piece where `begin` said false: data of that part. Throws MalformedPOSTRequest. */
  push(piece: Buffer, reader: PartReader): Buffer | undefined
  /** The last boundary has been there; what comes after it is nothing. */
  readonly isClosed: boolean
}

/** Of one part. */
const HEADERS_MAX_BYTES = 4096
const CR = 13

/** `inPart`: what comes first is data of a part that began earlier. */
export function createFormParser(boundary: string, { inPart = false } = {}): FormParser {
  const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1')
  let state: 'content' | 'delimiter' | 'headers' | 'closed' = 'content'
  let isData = inPart
  // The first boundary may have no line end before it; this is it.
  let held: Buffer = Buffer.from(inPart ? '' : '\r\n')

  function push(piece: Buffer, reader: PartReader): Buffer | undefined {
    let rest = held.length === 0 ? piece : Buffer.concat([held, piece])
    held = Buffer.alloc(0)
    while (state !== 'closed') {
      if (state === 'content') {
        const { dataBytes, restBytes } = divide(rest, delimiter)
        if (isData && dataBytes > 0) reader.data(rest.subarray(0, dataBytes))
        rest = rest.subarray(restBytes)
        if (restBytes === dataBytes) break
        state = 'delimiter'
      } else if (state === 'delimiter') {
        if (rest.length < 2) break
        state = afterDelimiter(rest)
        // A line that only begins like the boundary is data (P-067).
        if (state === 'content' && isData) reader.data(delimiter)
      } else {
        const end = rest.indexOf('\r\n\r\n')
        if (end > HEADERS_MAX_BYTES || (end === -1 && rest.length > HEADERS_MAX_BYTES)) throw malformedForm()
        if (end === -1) break
        const part = parsePart(rest.toString('utf8', 0, end))
        rest = rest.subarray(end + 4)
        state = 'content'
        isData = true
        if (!reader.begin(part)) return rest
      }
    }
    if (state !== 'closed') held = rest
    return undefined
  }

  return {
    push,
    get isClosed() {
      return state === 'closed'
    },
  }
}

export function malformedForm(): GatewayError {
  return new GatewayError('MalformedPOSTRequest')
}

/** `restBytes` is where the delimiter ends; or, with nothing but data so far, where a delimiter may have begun. */
function divide(bytes: Buffer, delimiter: Buffer): { dataBytes: number; restBytes: number } {
  const found = bytes.indexOf(delimiter)
  if (found !== -1) return { dataBytes: found, restBytes: found + delimiter.length }
  let at = bytes.indexOf(CR, Math.max(0, bytes.length - delimiter.length + 1))
  while (at !== -1 && !bytes.subarray(at).equals(delimiter.subarray(0, bytes.length - at)))
    at = bytes.indexOf(CR, at + 1)
  const dataBytes = at === -1 ? bytes.length : at
  return { dataBytes, restBytes: dataBytes }
}

/** The line end is left there: headers may be none at all, and then theirs is the only one. */
function afterDelimiter(bytes: Buffer): 'closed' | 'headers' | 'content' {
  const next = bytes.toString('latin1', 0, 2)
  return next === '--' ? 'closed' : next === '\r\n' ? 'headers' : 'content'
}

/** Browsers send UTF-8 and write a quote as `%22` or `\"`; a backslash alone is one (`C:\cat.jpg`). */
function parsePart(headers: string): Part {
  const line = /\r\ncontent-disposition:[ \t]*form-data[ \t]*(;[^\r\n]*)/i.exec(`${headers}\r\n`)?.[1] ?? ''
  const parameters = new Map<string, string>()
  for (const [, name = '', quoted, bare = ''] of line.matchAll(PARAMETER)) {
    parameters.set(name.toLowerCase(), quoted === undefined ? bare : quoted.replaceAll('\\"', '"'))
  }
  const fileName = extended(parameters.get('filename*')) ?? parameters.get('filename') ?? ''
  return { name: parameters.get('name') ?? '', fileName: fileName.slice(/[^/\\]*$/.exec(fileName)?.index) }
}

const PARAMETER = /;[ \t]*([\w-]+\*?)[ \t]*=[ \t]*(?:"((?:\\"|[^"])*)"|([^;" \t]*))/g

/** `UTF-8''c%C3%A4t.jpg` (RFC 8187), which libraries send for names beyond ASCII. */
function extended(value: string | undefined): string | undefined {
  const encoded = /^utf-8'[^']*'(.*)$/i.exec(value ?? '')?.[1]
  if (encoded === undefined) return undefined
  try {
    return decodeURIComponent(encoded)
  } catch {
    return undefined
  }
}
