/**
 * What one key may hold, and what each operation on it may find and leave: the model that histories are checked against.
 *
 * A key is absent or holds a value: bytes, the metadata they came with, and the ETag that S3 says of them. Bytes that a file user wrote have
 * no ETag of their own that a test could know: FOREIGN.
 *
 * File users take no lock. A conditional write looks at the key, and then replaces it; a file user may write in between, and that write is
 * gone, as it would be with any two programs on a shared tree. So what a file user replaced stays below the new value, for as long as
 * a conditional operation that began before the file user was done may still be judged by it. Plain S3 writes leave nothing below:
 * between each other the condition and the write are one moment.
 */
import type { Model, Timed } from './linearizable.ts'

/** In a value: not known, so it fits everything. Only copies have such (of a source that nobody saw; metadata taken over from it). */
export const ANY = '*'

/** The ETag of bytes that no S3 client wrote; the real one ends in `-0`. */
export const FOREIGN = 'foreign'

export type Value = {
  /** MD5 of the bytes, hex. */
  readonly content: string
  /** x-amz-meta-id; '' without. */
  readonly meta: string
  /** Without quotes. */
  readonly eTag: string
  /** undefined where `content` is ANY. */
  readonly sizeBytes: number | undefined
}

/** What an operation must find: nothing, or an object with what is named here. */
export type Want =
  | 'absent'
  | {
      readonly content?: string
      readonly meta?: string
      readonly eTag?: string
      readonly sizeBytes?: number
      readonly notETag?: string
      readonly notContent?: string
    }

/** What it leaves. A copy of the key onto itself keeps the bytes it found, a rewrite in place the metadata. */
export type Make =
  | { readonly kind: 'value'; readonly value: Value }
  | { readonly kind: 'absent' }
  | { readonly kind: 'metadata'; readonly meta: string }
  | { readonly kind: 'bytes'; readonly content: string; readonly sizeBytes: number }

export type KeyOperation = Timed & {
  /** Of the events it comes from, for reports. */
  readonly event: number
  readonly by: 's3' | 'file'
  readonly want?: Want
  /** undefined: it only looks. */
  readonly make?: Make
}

export type KeyState = {
  /** undefined: absent. */
  readonly value: Value | undefined
  /** What file users have replaced since the last S3 write, youngest last; `until`: the end of the operation that replaced it. */
  readonly below: readonly { readonly value: Value | undefined; readonly until: number }[]
}

export const keyModel: Model<KeyState, KeyOperation> = {
  initial: { value: undefined, below: [] },
  step: (state, operation) => (operation.by === 'file' ? byFileUser(state, operation) : byS3(state, operation)),
  isRead: ({ make }) => make === undefined,
  isBlind: ({ make, want, by }) =>
    by === 's3' && want === undefined && (make?.kind === 'value' || make?.kind === 'absent'),
  keyOf: ({ value, below }) =>
    [textOf(value), ...below.map(({ value, until }) => `${textOf(value)}@${until}`)].join(' '),
}

function byFileUser(state: KeyState, operation: KeyOperation): KeyState | undefined {
  if (!fits(state.value, operation.want)) return undefined
  if (operation.make === undefined) return state
  const made = apply(operation.make, state.value)
  if (made === undefined) return undefined
  return { value: made.value, below: [...state.below, { value: state.value, until: operation.end }] }
}

function byS3(state: KeyState, { want, make, start }: KeyOperation): KeyState | undefined {
  if (make === undefined) return fits(state.value, want) ? state : undefined
  if (fits(state.value, want)) {
    const made = apply(make, state.value)
    if (made !== undefined) return { ...made, below: [] }
  }
  if (want === undefined && make.kind !== 'metadata') return undefined
  for (const { value, until } of state.below.toReversed()) {
    if (until < start) return undefined
    const made = fits(value, want) ? apply(make, value) : undefined
    if (made !== undefined) return { ...made, below: [] }
  }
  return undefined
}

function apply(make: Make, found: Value | undefined): { readonly value: Value | undefined } | undefined {
  if (make.kind === 'value') return { value: make.value }
  if (make.kind === 'absent') return { value: undefined }
  if (found === undefined) return undefined
  return make.kind === 'metadata'
    ? // Copied, so the ETag is that of one piece, whatever the upload was.
      { value: { ...found, meta: make.meta, eTag: found.content } }
    : { value: { content: make.content, sizeBytes: make.sizeBytes, meta: found.meta, eTag: FOREIGN } }
}

export function fits(value: Value | undefined, want: Want | undefined): boolean {
  if (want === undefined) return true
  if (want === 'absent' || value === undefined) return want === 'absent' && value === undefined
  const { content, meta, eTag, sizeBytes, notETag, notContent } = want
  return (
    same(value.content, content) &&
    same(value.meta, meta) &&
    same(value.eTag, eTag) &&
    (sizeBytes === undefined || value.sizeBytes === undefined || value.sizeBytes === sizeBytes) &&
    (notETag === undefined || value.eTag === ANY || value.eTag !== notETag) &&
    (notContent === undefined || value.content === ANY || value.content !== notContent)
  )
}

const same = (is: string, wanted: string | undefined): boolean => wanted === undefined || is === ANY || is === wanted

const textOf = (value: Value | undefined): string =>
  value === undefined ? '-' : `${value.content}/${value.meta}/${value.eTag}/${value.sizeBytes}`
