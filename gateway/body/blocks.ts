/**
 * A stream of network pieces → blocks of decoded bytes. Written on the stream's events rather than its iterator, because leaving
 * the iterator destroys the request, and with it the connection that the error has to be answered on (P-005); and because the next
 * block fills while the one before is being hashed and written.
 */

import { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { GatewayError } from '../gateway-error.ts'
import type { BodyDecoder } from './aws-chunked.ts'

/**
 * The namespace runs one hash-and-write job per block. 256 KiB make the job's own cost (some 20 µs) vanish; a request holds at
 * most two of them and what the socket buffers.
 */
const BLOCK_BYTES = 256 * 1024

export type BlockLimits = {
  /** Decoded bytes as declared: more or fewer are IncompleteBody. */
  readonly sizeBytes: number | undefined
  /** More are EntityTooLarge. */
  readonly maxBytes: number
  /** A client that says nothing for so long while it is waited for: RequestTimeout. */
  readonly silenceMs?: number | undefined
  /** The caller keeps blocks after asking for the next one. Default: they are empty then. */
  readonly keepsBlocks?: boolean | undefined
}

/**
 * Blocks of about 256 KiB. Ends when the source has ended and the decoder agrees. Throws what the decoder throws, IncompleteBody when
 * the client went away or sent another number of bytes, EntityTooLarge, RequestTimeout. Leaving early detaches from the source and pauses it:
 * the rest is the app's to discard (unread-body.ts). A block of a request is valid until the next one is asked for.
 */
export async function* blocks(source: Readable, decoder: BodyDecoder, limits: BlockLimits): AsyncGenerator<Buffer> {
  let held: Buffer[] = []
  let heldBytes = 0
  let totalBytes = 0
  let ended = false
  let failure: unknown
  let wake = () => {}
  // Node copies each piece of a request out of its read buffer for whoever listens: nobody else has it.
  const isOurs = source instanceof IncomingMessage

  const emit = (bytes: Buffer) => {
    totalBytes += bytes.length
    if (limits.sizeBytes !== undefined && totalBytes > limits.sizeBytes) throw new GatewayError('IncompleteBody')
    if (totalBytes > limits.maxBytes) throw tooLarge(totalBytes, limits.maxBytes)
    held.push(bytes)
    heldBytes += bytes.length
  }
  const attempt = (step: () => void) => {
    try {
      step()
    } catch (error) {
      failure ??= error
      source.pause()
    }
    wake()
  }
  const onData = (piece: Buffer) =>
    attempt(() => {
      decoder.push(piece, emit)
      if (heldBytes >= BLOCK_BYTES) source.pause()
    })
  const onEnd = () =>
    attempt(() => {
      ended = true
      decoder.end()
      if (limits.sizeBytes !== undefined && totalBytes < limits.sizeBytes) throw new GatewayError('IncompleteBody')
    })
  const onGone = (error?: Error) =>
    attempt(() => {
      if (!ended) throw new GatewayError('IncompleteBody', {}, error)
    })
  const onSilence = () =>
    attempt(() => {
      throw new GatewayError('RequestTimeout')
    })

  source.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone)
  if (source.readableEnded) onEnd()
  else if (source.destroyed) onGone()
  else source.resume()
  try {
    while (true) {
      while (failure === undefined && !ended && heldBytes < BLOCK_BYTES) {
        const silence = limits.silenceMs === undefined ? undefined : setTimeout(onSilence, limits.silenceMs)
        await new Promise<void>((resolve) => (wake = resolve))
        clearTimeout(silence)
      }
      if (failure !== undefined) throw failure
      if (heldBytes === 0) return
      const block = held.length === 1 ? held[0] : Buffer.concat(held, heldBytes)
      if (isOurs && held.length > 1) held.forEach(release)
      held = []
      heldBytes = 0
      if (!ended) source.resume()
      if (block === undefined) continue
      yield block
      if (isOurs && limits.keepsBlocks !== true) release(block)
    }
  } finally {
    source.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone)
    // Somebody has to listen: a client that resets now must not end the process.
    source.on('error', () => {})
    if (!ended) source.pause()
  }
}

/**
 * Gives the memory back at once, where the buffer is the only view of it. Left to the collector, 64 MiB of uploads start a marking of the whole
 * heap: more than half of a worker's time went there. Whoever still holds the buffer sees it empty.
 */
function release({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}

export function tooLarge(sizeBytes: number, maxBytes: number): GatewayError {
  return new GatewayError('EntityTooLarge', { ProposedSize: sizeBytes, MaxSizeAllowed: maxBytes })
}
