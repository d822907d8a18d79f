/**
 * A browser's upload form: small fields, then the file. The fields are read first, because they say who it is and what may come; the
 * file stays in the socket until somebody asks for it.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
 */

import type { Readable } from 'node:stream'
import type { FormFields, SizeRange } from '#auth'
import type { Body } from '#namespace'
import { GatewayError } from '../gateway-error.ts'
import type { S3Headers } from '../s3-request.ts'
import type { BodyDecoder } from './aws-chunked.ts'
import { createFormParser, malformedForm, type Part } from './multipart-form.ts'
import { decodedBody } from './pipeline.ts'

export type UploadForm = {
  /** Those before the file, by lower-case name (P-060); what comes after it is ignored (P-059). */
  readonly fields: FormFields
  /** As the browser names the file, for `${filename}`. */
  readonly fileName: string
  /** The file, once. `headers`: what the form says of its checksum. */
  file(headers: S3Headers, sizeRange: SizeRange | undefined): Body
}

export type UploadFormInput = {
  readonly contentType: string | undefined
  readonly source: Readable
  /** See BodyInput. */
  readonly silenceMs?: number | undefined
}

/** "The form data and boundaries (excluding the contents of the file) cannot exceed 20 KB." */
const FIELDS_MAX_BYTES = 20 * 1024
/** Nobody needs them, but a browser sends the button that was pressed. */
const AFTER_FILE_MAX_BYTES = 1024 * 1024

/**
 * Reads up to the first byte of the file. Throws PreconditionFailed (P-058), MalformedPOSTRequest, MaxPostPreDataLengthExceededError,
 * InvalidArgument, IncompleteBody, RequestTimeout. As with blocks.ts, whatever is not read is left in the source, which is paused.
 */
export async function readUploadForm({ contentType, source, silenceMs }: UploadFormInput): Promise<UploadForm> {
  const boundary = boundaryOf(contentType)
  const { fields, fileName } = await readFields(source, boundary, silenceMs)
  return {
    fields,
    fileName,
    file: (headers, sizeRange) =>
      decodedBody({ headers, source, silenceMs, decoder: fileDecoder(boundary), ...sizeRange }),
  }
}

function boundaryOf(contentType: string | undefined): string {
  if (!/^\s*multipart\/form-data\s*(?:;|$)/i.test(contentType ?? '')) {
    throw new GatewayError('PreconditionFailed', {
      Condition: 'Bucket POST must be of the enclosure-type multipart/form-data',
    })
  }
  const match = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))\s*(?:;|$)/i.exec(contentType ?? '')
  const boundary = match?.[1] ?? match?.[2]
  if (boundary === undefined) throw malformedForm()
  return boundary
}

type FieldsAndName = Pick<UploadForm, 'fields' | 'fileName'>

/** On events for the reasons of blocks.ts: an iterator that is left would take the connection with it. */
function readFields(source: Readable, boundary: string, silenceMs: number | undefined): Promise<FieldsAndName> {
  const collector = fieldCollector(boundary)
  return new Promise((resolve, reject) => {
    let silence: NodeJS.Timeout | undefined
    const waitForMore = () => {
      clearTimeout(silence)
      if (silenceMs !== undefined) silence = setTimeout(() => fail(new GatewayError('RequestTimeout')), silenceMs)
    }
    const detach = () => {
      clearTimeout(silence)
      source.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone)
      // Somebody has to listen: a client that resets now must not end the process.
      source.on('error', () => {})
      source.pause()
    }
    const fail = (error: unknown) => {
      detach()
      reject(error)
    }
    const attempt = (step: () => void) => {
      try {
        step()
      } catch (error) {
        fail(error)
      }
    }
    const onData = (piece: Buffer) =>
      attempt(() => {
        const found = collector.push(piece)
        if (found === undefined) return waitForMore()
        detach()
        if (found.rest.length > 0) source.unshift(found.rest)
        resolve(found)
      })
    const onEnd = () => attempt(() => collector.end())
    const onGone = (cause?: Error) => fail(new GatewayError('IncompleteBody', {}, cause))
    source.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone)
    waitForMore()
    if (source.readableEnded) onEnd()
    else if (source.destroyed) onGone()
    else source.resume()
  })
}

/** Answers the fields with the piece in which the file begins, and what of that piece is the file's. */
function fieldCollector(boundary: string) {
  const parser = createFormParser(boundary)
  const fields = new Map<string, string>()
  let readBytes = 0
  let part: Part | undefined
  let pieces: Buffer[] = []

  const keep = () => {
    const name = part?.name.toLowerCase()
    // What is to be ignored may be there twice (P-061).
    if (name === undefined || name.startsWith('x-ignore-')) return
    if (fields.has(name)) throw invalidField(name, 'This field may be in the form once only.')
    fields.set(name, textOf(name, pieces))
  }
  const reader = {
    begin(next: Part) {
      keep()
      if (next.name === '') throw malformedForm()
      part = next
      pieces = []
      return !isFile(next)
    },
    data: (bytes: Buffer) => void pieces.push(bytes),
  }

  return {
    push(piece: Buffer): (FieldsAndName & { readonly rest: Buffer }) | undefined {
      const rest = parser.push(piece, reader)
      readBytes += piece.length - (rest?.length ?? 0)
      if (readBytes > FIELDS_MAX_BYTES) throw new GatewayError('MaxPostPreDataLengthExceededError')
      return rest === undefined ? undefined : { fields, fileName: part?.fileName ?? '', rest }
    },
    /** No file has begun. */
    end(): never {
      throw parser.isClosed ? notOneFile(0) : malformedForm()
    },
  }
}

function fileDecoder(boundary: string): BodyDecoder {
  const parser = createFormParser(boundary, { inPart: true })
  let isAfter = false
  let afterBytes = 0
  return {
    push(piece, emit) {
      if (isAfter || parser.isClosed) afterBytes += piece.length
      if (afterBytes > AFTER_FILE_MAX_BYTES) throw malformedForm()
      parser.push(piece, {
        begin(part) {
          if (isFile(part)) throw notOneFile(2)
          isAfter = true
          return true
        },
        data: (bytes) => (isAfter ? undefined : emit(bytes)),
      })
    },
    end() {
      if (!parser.isClosed) throw malformedForm()
    },
    trailers: new Map(),
  }
}

const isFile = ({ name }: Part) => name.toLowerCase() === 'file'

function textOf(name: string, pieces: readonly Buffer[]): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(pieces))
  } catch {
    throw invalidField(name, 'The value of this field is not valid UTF-8.')
  }
}

function invalidField(name: string, message: string): GatewayError {
  return new GatewayError('InvalidArgument', { message, ArgumentName: name })
}

function notOneFile(files: number): GatewayError {
  return new GatewayError('InvalidArgument', {
    message: 'POST requires exactly one file upload per request.',
    ArgumentName: 'file',
    ArgumentValue: files,
  })
}
