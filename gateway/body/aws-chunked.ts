/**
 * aws-chunked: the framing of streaming uploads, signed or not, with trailers or without (P-069 – P-076).
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and …/sigv4-streaming-trailers.html
 *
 *     10000;chunk-signature=ad80…\r\n          size in hex; the signature only in the signed forms
 *     <65,536 bytes>\r\n
 *     0;chunk-signature=b6c6…\r\n              the last chunk is empty
 *     x-amz-checksum-crc32c:sOO8/Q==\r\n       trailers, in the forms that have them
 *     x-amz-trailer-signature:d811…\r\n        over the trailers; signed form only (P-074)
 *     \r\n
 *
 * A push parser over whatever pieces the network gives: bytes of chunks are handed on as views, nothing but an unfinished line is
 * held. What has been handed on is not yet proven: the caller stores nothing visibly before `end()` has returned.
 */

import { createHash, type Hash } from 'node:crypto'
import type { ChunkSignatures } from '#auth'
import { GatewayError } from '../gateway-error.ts'

export type BodyDecoder = {
  /** Hands the decoded bytes of one piece to `emit`. Throws on the first thing that is wrong. */
  push(piece: Buffer, emit: (bytes: Buffer) => void): void
  /** The source has ended: throws when the framing has not. */
  end(): void
  /** Trailing headers by lower-case name, without the signature; complete once `end()` has returned. */
  readonly trailers: ReadonlyMap<string, string>
}

export type ChunkedForm = {
  /** Of the signed forms. */
  readonly signatures: ChunkSignatures | undefined
  readonly hasTrailer: boolean
  /** Names that x-amz-trailer announced, in lower case. */
  readonly announced: readonly string[]
}

/** Longest accepted line. A size line has about 100 bytes, a checksum trailer less. */
const LINE_MAX_BYTES = 1024
const TRAILERS_MAX = 8
/** All signed chunks but the last one have at least so many bytes (P-071). */
const SIGNED_CHUNK_MIN_BYTES = 8192
const LF = 10

/** Throws, from push and end: InvalidChunkSizeError, IncompleteBody, MalformedTrailerError, and SignatureDoesNotMatch of #auth. */
export function chunkDecoder({ signatures, hasTrailer, announced }: ChunkedForm): BodyDecoder {
  const trailers = new Map<string, string>()
  let state: 'size' | 'data' | 'data-end' | 'trailer' | 'done' = 'size'
  let line = ''
  let chunks = 0
  let chunkBytes = 0
  let leftBytes = 0
  let signature = ''
  let trailerSignature: string | undefined
  let hash: Hash | undefined

  function push(piece: Buffer, emit: (bytes: Buffer) => void): void {
    let at = 0
    while (at < piece.length) {
      if (state === 'data') {
        const bytes = piece.subarray(at, at + leftBytes)
        at += bytes.length
        leftBytes -= bytes.length
        hash?.update(bytes)
        emit(bytes)
        if (leftBytes === 0) endChunk()
        continue
      }
      if (state === 'done') throw incomplete('The body goes on after its last chunk')
      const end = piece.indexOf(LF, at)
      line += piece.toString('latin1', at, end === -1 ? piece.length : end)
      if (line.length > LINE_MAX_BYTES) throw badLine()
      if (end === -1) return
      at = end + 1
      const whole = line
      line = ''
      takeLine(whole)
    }
  }

  function takeLine(text: string): void {
    if (state === 'size') beginChunk(withoutReturn(text, invalidChunkSize))
    else if (state === 'data-end') endData(text)
    else takeTrailer(text.endsWith('\r') ? text.slice(0, -1) : text)
  }

  function beginChunk(text: string): void {
    const match = /^([0-9a-fA-F]{1,16})(?:[ \t]*;(.*))?$/.exec(text)
    const sizeBytes = match === null ? Number.NaN : Number.parseInt(match[1] ?? '', 16)
    if (!Number.isSafeInteger(sizeBytes)) throw invalidChunkSize()
    if (signatures !== undefined) {
      if (chunks > 0 && sizeBytes > 0 && chunkBytes < SIGNED_CHUNK_MIN_BYTES) throw chunkTooSmall(chunks, chunkBytes)
      signature = /^chunk-signature=([0-9a-f]{64})$/.exec(match?.[2]?.trim() ?? '')?.[1] ?? ''
      hash = createHash('sha256')
    }
    chunks += 1
    chunkBytes = sizeBytes
    leftBytes = sizeBytes
    state = 'data'
    if (sizeBytes === 0) endChunk()
  }

  /** Every chunk is proven as soon as it is whole, the empty last one too (P-070). */
  function endChunk(): void {
    if (signatures !== undefined && hash !== undefined) signatures.verifyChunk(hash.digest('hex'), signature)
    hash = undefined
    state = chunkBytes > 0 ? 'data-end' : 'trailer'
  }

  function endData(text: string): void {
    if (text !== '\r') throw incomplete('A chunk does not end where its size says')
    state = 'size'
  }

  function takeTrailer(text: string): void {
    if (text === '') {
      finish()
      return
    }
    const colon = text.indexOf(':')
    const name = text.slice(0, colon).trim().toLowerCase()
    const value = text.slice(colon + 1).trim()
    if (!hasTrailer || colon < 1 || trailers.size >= TRAILERS_MAX) throw malformedTrailer()
    if (name === 'x-amz-trailer-signature' && signatures !== undefined && trailerSignature === undefined) {
      trailerSignature = value
    } else if (trailerSignature === undefined && announced.includes(name) && !trailers.has(name)) {
      trailers.set(name, value)
    } else {
      throw malformedTrailer()
    }
  }

  function finish(): void {
    state = 'done'
    if (announced.some((name) => !trailers.has(name))) throw malformedTrailer()
    if (signatures === undefined || !hasTrailer) return
    if (trailerSignature === undefined) throw malformedTrailer()
    signatures.verifyTrailer([...trailers].map(([name, value]) => `${name}:${value}\n`).join(''), trailerSignature)
  }

  function end(): void {
    if (state === 'done') return
    if (state !== 'trailer' || (line !== '' && line !== '\r')) throw incomplete()
    // Some clients leave out the very last line end: nothing that is said is missing then.
    finish()
  }

  function badLine(): GatewayError {
    return state === 'trailer' ? malformedTrailer() : state === 'size' ? invalidChunkSize() : incomplete()
  }

  return { push, end, trailers }
}

/** A body without framing. */
export function plainDecoder(): BodyDecoder {
  return { push: (piece, emit) => emit(piece), end: () => {}, trailers: new Map() }
}

function withoutReturn(text: string, error: () => GatewayError): string {
  if (!text.endsWith('\r')) throw error()
  return text.slice(0, -1)
}

function invalidChunkSize(): GatewayError {
  return new GatewayError('InvalidChunkSizeError')
}

function chunkTooSmall(chunk: number, sizeBytes: number): GatewayError {
  return new GatewayError('InvalidChunkSizeError', {
    message: `Only the last chunk is allowed to have a size less than ${SIGNED_CHUNK_MIN_BYTES} bytes`,
    Chunk: chunk,
    BadChunkSize: sizeBytes,
  })
}

function malformedTrailer(): GatewayError {
  return new GatewayError('MalformedTrailerError')
}

function incomplete(message?: string): GatewayError {
  return new GatewayError('IncompleteBody', message === undefined ? {} : { message })
}
