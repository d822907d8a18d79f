/**
 * From what was written down to one history per key (register.ts), and the answers that are wrong by themselves: body, length, ETag,
 * checksum and metadata that do not belong together, unexpected refusals, listings out of order.
 *
 * Rewriting in place is no atomic thing, for readers of the file as little as for S3's. While one is under way, an answer may hold bytes of
 * it and of what was there before, under the headers of either; such an answer is excused (while the rewrite lasts, and if each of its bytes is
 * somebody's) and takes no further part. From its end on the key holds the new bytes, with a foreign ETag and the old metadata.
 */
import { ZEROS } from './content.ts'
import type { Condition, Event, Listed, Seen } from './event.ts'
import { ANY, FOREIGN, type KeyOperation, type Make, type Value, type Want } from './register.ts'

export type Problem = {
  /** `padded answer`: whole, with zeros where a rewrite has cut the file. */
  readonly kind: 'mixed answer' | 'padded answer'
  readonly event: number
  readonly sentence: string
}

export type KeyHistories = {
  readonly byKey: ReadonlyMap<string, readonly KeyOperation[]>
  readonly problems: readonly Problem[]
  /** Answers that a rewrite in place under way excuses. */
  readonly excused: number
}

/** Of file users on their way to a rename. */
export const TEMPORARY_PREFIX = 'tmp~'

export function keyHistories(events: readonly Event[]): KeyHistories {
  const known = knownFrom(events)
  const byKey = new Map<string, KeyOperation[]>()
  const problems: Problem[] = []
  let excused = 0
  for (const event of events) {
    const { operations = [], problem, isPadded = false, torn = 0 } = translate(event, known)
    for (const { key, ...operation } of operations) {
      const own = byKey.get(key) ?? []
      byKey.set(key, own)
      own.push({
        event: event.event,
        by: event.gateway === -1 ? 'file' : 's3',
        start: event.startUs,
        end: event.outcome === 'unknown' ? Number.POSITIVE_INFINITY : event.endUs,
        ...operation,
      })
    }
    if (problem !== undefined)
      problems.push({ kind: isPadded ? 'padded answer' : 'mixed answer', event: event.event, sentence: problem })
    excused += torn
  }
  return { byKey, problems, excused }
}

type Translated = {
  readonly operations?: readonly { readonly key: string; readonly want?: Want; readonly make?: Make }[]
  readonly problem?: string | undefined
  readonly isPadded?: boolean
  readonly torn?: number
}

type EventOf<Kind extends Event['kind']> = Extract<Event, { kind: Kind }>

function translate(event: Event, known: Known): Translated {
  const { outcome } = event
  if ((outcome === 'refused' || outcome === 'nothing') && !isExpected(event)) return { problem: unexpected(event) }
  if (outcome === 'nothing' && event.gateway === -1) return {}
  switch (event.kind) {
    case 'put':
    case 'complete':
      return conditional(event, { kind: 'value', value: event.made })
    case 'delete':
      return conditional(event, { kind: 'absent' })
    case 'metadata':
      return metadata(event, known)
    case 'copy':
      return copy(event, known)
    case 'get':
    case 'head':
    case 'file-read':
      return look(event, known)
    case 'list':
      return list(event, known)
    case 'file-rename':
      return fileUser(event, { kind: 'value', value: { ...event.made, meta: '', eTag: FOREIGN } })
    case 'file-rewrite':
      return fileUser(event, { kind: 'bytes', ...event.made })
    case 'file-unlink':
      return fileUser(event, { kind: 'absent' })
  }
}

const unexpected = ({ kind, status, code }: Event) => `${kind} was answered ${status ?? ''} ${code ?? ''}`

/** 404 is an answer to If-Match and to whoever looks; 412 to conditions only, 409 to those of a Complete. */
function isExpected(event: Event): boolean {
  if (event.gateway === -1) return true
  if (event.status === 404) return event.code === 'NoSuchKey' || event.kind === 'head'
  if (event.code === 'ConditionalRequestConflict') return event.kind === 'complete' && event.condition !== undefined
  return event.status === 412 && 'condition' in event && event.condition !== undefined
}

// --- Writers.

function conditional(event: EventOf<'put' | 'complete' | 'delete'>, make: Make): Translated {
  const { key, condition, outcome } = event
  if (outcome === 'refused') return { operations: [{ key, want: refusal(condition, event.status) }] }
  // 409: the condition held, and something else did not.
  if (outcome === 'nothing') return { operations: [{ key, ...held(condition) }] }
  const wrong = 'made' in event && event.answered !== undefined && event.answered !== event.made.eTag
  return {
    operations: [{ key, make, ...held(condition) }],
    problem: wrong ? `${event.kind} of ${event.made.eTag} was answered with the ETag ${event.answered}` : undefined,
  }
}

const held = (condition: Condition | undefined): { want?: Want } =>
  condition === undefined ? {} : { want: condition.kind === 'absent' ? 'absent' : matching(condition) }

function matching({ eTag, content }: Extract<Condition, { kind: 'match' }>): Want {
  return isForeign(eTag) ? { eTag: FOREIGN, ...(content !== undefined && { content }) } : { eTag }
}

/** What a refusal says of the key. */
function refusal(condition: Condition | undefined, status: number | undefined): Want {
  if (status === 404) return 'absent'
  if (condition?.kind !== 'match') return {}
  const { eTag } = condition
  // The ETag of a foreign file may become another one while its bytes stay (a rewrite whose last byte was there already).
  return isForeign(eTag) ? {} : { notETag: eTag }
}

function metadata(event: EventOf<'metadata'>, known: Known): Translated {
  const { key, meta, outcome } = event
  if (outcome === 'refused') return { operations: [{ key, want: 'absent' }] }
  const content = known.copied.get(meta)
  return {
    operations: [{ key, want: content === undefined ? {} : { content }, make: { kind: 'metadata', meta } }],
    problem: nobodys(event.answered, known),
  }
}

function copy(event: EventOf<'copy'>, known: Known): Translated {
  const { key, source, meta = ANY, outcome, condition, answered } = event
  if (outcome === 'refused') {
    if (event.status === 412) return { operations: [{ key, want: refusal(condition, 412) }] }
    // Of an If-Match, 404 might be about either of the two.
    return condition?.kind === 'match' ? {} : { operations: [{ key: source, want: 'absent' }] }
  }
  const read = answered === undefined || isForeign(answered) ? undefined : answered
  const content = read ?? known.copied.get(meta) ?? ANY
  const value: Value = { content, meta, eTag: content, sizeBytes: known.sizes.get(content) }
  return {
    operations: [
      { key, make: { kind: 'value', value }, ...held(condition) },
      // It has read the source at some moment: also where nobody knows whether it wrote, and then nothing follows from it.
      ...(read === undefined ? [] : [{ key: source, want: { content: read } }]),
    ],
    problem: nobodys(answered, known),
  }
}

const nobodys = (answered: string | undefined, known: Known): string | undefined =>
  answered === undefined || known.sizes.has(answered)
    ? undefined
    : `a copy was answered with ${answered}, which is not the MD5 of anything written`

const fileUser = (
  { key, outcome }: EventOf<'file-rename' | 'file-rewrite' | 'file-unlink'>,
  make: Make,
): Translated => ({
  operations: [outcome === 'refused' ? { key, want: 'absent' } : { key, make }],
})

// --- Readers.

function look(event: EventOf<'get' | 'head' | 'file-read'>, known: Known): Translated {
  const { key, seen, outcome } = event
  if (outcome === 'unknown') return {}
  if (outcome === 'refused' || seen === undefined) return { operations: [{ key, want: 'absent' }] }
  const wrong = mismatch(seen, known)
  const rewrites = known.rewritesOf(key, event)
  const foreign = seen.eTag !== undefined && isForeign(seen.eTag)
  if (rewrites.length > 0 && (wrong !== undefined || (foreign && seen.content === undefined))) {
    if (seen.writers?.includes('?') === true) return { problem: `${wrong}, among them bytes of nobody` }
    // It should have been broken off. A file user sees what the file is: cut, or with a hole where a write has failed.
    const isPadded = seen.writers?.includes(ZEROS) === true && event.gateway !== -1
    return isPadded ? { problem: wrong, isPadded } : { torn: 1 }
  }
  if (wrong !== undefined) return { problem: wrong }
  return {
    operations: [
      {
        key,
        want: {
          sizeBytes: seen.sizeBytes,
          ...(seen.content !== undefined && { content: seen.content }),
          ...(seen.eTag !== undefined && { eTag: foreign ? FOREIGN : seen.eTag, meta: seen.meta ?? '' }),
        },
      },
    ],
  }
}

/** What does not belong together in one answer. */
function mismatch(seen: Seen, known: Known): string | undefined {
  const { content, sizeBytes, eTag, meta = '', cacheControl = '', checksumFits, writers } = seen
  const size = content === undefined ? undefined : known.sizes.get(content)
  if (content !== undefined && size === undefined)
    return `a body that nobody has written: ${sizeBytes} bytes of ${writers?.join(', ')}`
  if (size !== undefined && size !== sizeBytes) return `${sizeBytes} bytes, of ${size}`
  if (eTag === undefined) return undefined
  if (cacheControl !== meta) return `metadata of '${meta}' with Cache-Control of '${cacheControl}'`
  if (isForeign(eTag)) return undefined
  const told = known.contentOf(eTag)
  if (told === undefined) return `an ETag that nobody's bytes have: ${eTag}`
  if (content !== undefined && told !== content)
    return `the ETag ${eTag} with other bytes (MD5 ${content}, of ${writers?.join(', ')})`
  if (known.sizes.get(told) !== sizeBytes) return `the ETag ${eTag} with ${sizeBytes} bytes`
  if (checksumFits === false) return `the checksum of other bytes than those of ${eTag}`
  const copied = known.copied.get(meta)
  if (meta !== '' && copied === undefined && !known.pending.has(meta)) return `metadata that nobody has sent: '${meta}'`
  return copied !== undefined && copied !== told ? `the metadata of '${meta}' with the bytes of ${eTag}` : undefined
}

function list(event: EventOf<'list'>, known: Known): Translated {
  const { listed, prefixes, prefix, delimiter, after, last } = event
  if (event.outcome !== 'done' || listed === undefined || prefixes === undefined) return {}
  const problem = disorder(listed, prefix, known)
  const entries = new Map(listed.map((entry) => [entry.key, entry]))
  const operations: { key: string; want: Want }[] = []
  let torn = 0
  for (const key of known.keys) {
    if (!key.startsWith(prefix)) continue
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    const name = cut === -1 ? key : key.slice(0, cut + delimiter.length)
    if (name <= after || (last !== undefined && name > last)) continue
    const entry = entries.get(key)
    if (cut !== -1) {
      // That the prefix is there says nothing of which of its keys are.
      if (!prefixes.includes(name)) operations.push({ key, want: 'absent' })
    } else if (entry === undefined) operations.push({ key, want: 'absent' })
    else if (isForeign(entry.eTag) && known.rewritesOf(key, event).length > 0) torn++
    else {
      const { eTag, sizeBytes } = entry
      operations.push({ key, want: { eTag: isForeign(eTag) ? FOREIGN : eTag, sizeBytes } })
    }
  }
  return { operations, problem, torn }
}

function disorder(listed: readonly Listed[], prefix: string, known: Known): string | undefined {
  for (const [index, { key, eTag }] of listed.entries()) {
    const before = listed[index - 1]
    if (before !== undefined && before.key >= key) return `a listing with ${key} after ${before.key}`
    if (!key.startsWith(prefix)) return `a listing of ${prefix} with ${key}`
    if (!known.keys.has(key) && !isTemporary(key)) return `a listing with ${key}, which nobody has written`
    if (!isForeign(eTag) && known.contentOf(eTag) === undefined)
      return `a listing with ${key} of an unknown ETag ${eTag}`
  }
  return undefined
}

const isTemporary = (key: string) => key.slice(key.lastIndexOf('/') + 1).startsWith(TEMPORARY_PREFIX)

export const isForeign = (eTag: string): boolean => eTag.endsWith('-0')

// --- What can be known from all events together.

type Known = {
  readonly keys: ReadonlySet<string>
  /** MD5 of what was written → how long it is. */
  readonly sizes: ReadonlyMap<string, number>
  /** x-amz-meta-id → MD5 of the bytes that it was published with. */
  readonly copied: ReadonlyMap<string, string>
  /** x-amz-meta-id of copies whose bytes nobody knows. */
  readonly pending: ReadonlySet<string>
  /** MD5 of the bytes that have this ETag. */
  contentOf(eTag: string): string | undefined
  /** Rewrites in place of the key that were under way at some moment of the event. */
  rewritesOf(key: string, event: Event): readonly Event[]
}

function knownFrom(events: readonly Event[]): Known {
  const keys = new Set<string>()
  const sizes = new Map<string, number>()
  const copied = new Map<string, string>()
  const pending = new Set<string>()
  const inParts = new Map<string, string>()
  const rewrites = new Map<string, Event[]>()
  for (const event of events) {
    if (event.kind !== 'list') keys.add(event.key)
    if ('made' in event) sizes.set(event.made.content, event.made.sizeBytes)
    if (event.kind === 'put' || event.kind === 'complete') {
      copied.set(event.made.meta, event.made.content)
      if (event.made.eTag !== event.made.content) inParts.set(event.made.eTag, event.made.content)
    }
    if ((event.kind === 'copy' || event.kind === 'metadata') && event.meta !== undefined) {
      if (event.answered === undefined || isForeign(event.answered)) pending.add(event.meta)
      else copied.set(event.meta, event.answered)
    }
    if (event.kind === 'file-rewrite') rewrites.set(event.key, [...(rewrites.get(event.key) ?? []), event])
  }
  // An unanswered copy has copied what those who saw it have got.
  for (const event of events) {
    if (event.kind !== 'get' || event.seen?.content === undefined) continue
    const { meta = '', content, eTag = '' } = event.seen
    if (pending.has(meta) && eTag === content && sizes.has(content)) copied.set(meta, content)
  }
  return {
    keys,
    sizes,
    copied,
    pending,
    contentOf: (eTag) => inParts.get(eTag) ?? (sizes.has(eTag) ? eTag : undefined),
    rewritesOf: (key, { startUs, endUs }) =>
      (rewrites.get(key) ?? []).filter(
        (other) => other.startUs <= endUs && (other.outcome === 'unknown' || other.endUs >= startUs),
      ),
  }
}
