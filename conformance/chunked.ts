/**
 * Bodies in signed chunks, by hand.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
 */
import type { RawRequest } from './connection.ts'
import type { Signed } from './sign.ts'

export const SIGNED_CHUNKS = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'
export const SIGNED_CHUNKS_TRAILER = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'
export const UNSIGNED_TRAILER = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'

/** The headers of a PUT whose body comes in chunks; the body itself needs the signature of these (`signedChunks`). */
export function chunkedRequest(
  target: string,
  payload: string,
  decodedBytes: number,
  headers: Readonly<Record<string, string>> = {},
): RawRequest {
  return {
    method: 'PUT',
    target,
    payload,
    headers: {
      'content-encoding': 'aws-chunked',
      'x-amz-decoded-content-length': String(decodedBytes),
      ...headers,
    },
  }
}

export type Chunk = { readonly text: Buffer; readonly signature: string }

/** One signed chunk. `size` and `signature` are what a test wants to be wrong. */
export function signedChunk(
  signed: Signed,
  previous: string,
  bytes: Uint8Array,
  wrong: { readonly size?: string; readonly signature?: string } = {},
): Chunk {
  const signature = signed.chunkSignature(previous, bytes)
  const line = `${wrong.size ?? bytes.length.toString(16)};chunk-signature=${wrong.signature ?? signature}\r\n`
  return { text: Buffer.concat([Buffer.from(line), bytes, Buffer.from('\r\n')]), signature }
}

/** The whole body: the given chunks, the empty one, and in the trailer what is given. */
export function signedChunks(
  signed: Signed,
  chunks: readonly Uint8Array[],
  trailers?: Readonly<Record<string, string>>,
): Buffer {
  let previous = signed.signature
  const texts: Buffer[] = []
  for (const bytes of chunks) {
    const chunk = signedChunk(signed, previous, bytes)
    texts.push(chunk.text)
    previous = chunk.signature
  }
  const last = signedChunk(signed, previous, new Uint8Array())
  if (trailers === undefined) return Buffer.concat([...texts, last.text])
  const lines = Object.entries(trailers).map(([name, value]) => `${name}:${value}`)
  const signature = signed.trailerSignature(last.signature, lines.map((line) => `${line}\n`).join(''))
  const end = `0;chunk-signature=${last.signature}\r\n${lines.map((line) => `${line}\r\n`).join('')}x-amz-trailer-signature:${signature}\r\n\r\n`
  return Buffer.concat([...texts, Buffer.from(end)])
}

/** Chunks without signatures, and the trailer. */
export function unsignedChunks(chunks: readonly Uint8Array[], trailers: Readonly<Record<string, string>>): Buffer {
  const texts = chunks.flatMap((bytes) => [Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')])
  const lines = Object.entries(trailers).map(([name, value]) => `${name}:${value}\r\n`)
  return Buffer.concat([...texts, Buffer.from(`0\r\n${lines.join('')}\r\n`)])
}
