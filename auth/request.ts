/** What authentication takes, and what it says of a body. Values only. */

/** A request as it was received: nothing decoded, nothing normalised. */
export type ReceivedRequest = {
  readonly method: string
  /** The request target up to `?`, percent-encoding as sent. */
  readonly rawPath: string
  /** What follows `?`, as sent; '' when there is none. */
  readonly rawQuery: string
  /** [name in lower case, value as Latin-1], in order, duplicates kept. */
  readonly headers: readonly (readonly [string, string])[]
  /** Lower-case hex, of a body that has been read already: who signs for another service than s3 does not say it in a header. */
  readonly bodySha256?: string | undefined
}

/** How the body is framed and what protects it (P-069). */
export type Payload =
  | { readonly kind: 'unsigned' }
  /** The lower-case hex SHA-256 of the whole body. */
  | { readonly kind: 'signed'; readonly sha256: string }
  | { readonly kind: 'signed-chunks'; readonly trailer: boolean; readonly chunks: ChunkSignatures }
  | { readonly kind: 'unsigned-trailer' }

/** The chain of chunk signatures of one request. Each call moves the chain on and throws SignatureDoesNotMatch. */
export type ChunkSignatures = {
  /** `sha256` in lower-case hex of the chunk's bytes. The final, empty chunk too. */
  verifyChunk(sha256: string, signature: string): void
  /** `trailers`: the trailing header lines, `name:value\n` each, as they are signed. */
  verifyTrailer(trailers: string, signature: string): void
}
