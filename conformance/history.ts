/**
 * What clients did to keys and saw of them, each with the time before it was sent and the time after it was answered; and what of it no
 * order of events can explain. Between these two times an operation took effect at one moment, if it did:
 *
 *     done      answered with success: it took effect
 *     unknown   never answered (its worker was killed): perhaps, and perhaps only later
 *     refused   answered 412 or the like: it did not; leave it out
 */

/** A key holds what one write put there; `ABSENT` before the first write and after a DELETE. */
export const ABSENT = 'absent'

export type Write = {
  readonly key: string
  /** Unique among all writes that are no DELETEs. */
  readonly id: string
  readonly startMs: number
  /** Infinity for unknown. */
  readonly endMs: number
  /** The id that an If-Match asked for; ABSENT for If-None-Match: *. */
  readonly basedOn?: string
}

export type Read = { readonly key: string; readonly saw: string; readonly startMs: number; readonly endMs: number }

/** Sentences; none when all is explained. Necessary conditions of linearizability, each one a mistake that a client would suffer from. */
export function violations(writes: readonly Write[], reads: readonly Read[]): readonly string[] {
  const keys = new Set([...writes, ...reads].map(({ key }) => key))
  return [...keys].flatMap((key) => {
    const own = writes.filter((write) => write.key === key)
    // Whoever replaces e1 by If-Match has seen e1, at some moment of his request.
    const seen = own.flatMap(({ basedOn, startMs, endMs }) =>
      basedOn === undefined || endMs === Number.POSITIVE_INFINITY ? [] : [{ key, saw: basedOn, startMs, endMs }],
    )
    return ofKey(key, own, [...reads.filter((read) => read.key === key), ...seen])
  })
}

function ofKey(key: string, writes: readonly Write[], reads: readonly Read[]): string[] {
  const found: string[] = []
  const beginning: Write = { key, id: ABSENT, startMs: Number.NEGATIVE_INFINITY, endMs: Number.NEGATIVE_INFINITY }
  const all = [beginning, ...writes]
  const done = writes.filter(({ endMs }) => endMs !== Number.POSITIVE_INFINITY)
  const byId = Map.groupBy(all, ({ id }) => id)

  for (const read of reads) {
    const sources = byId.get(read.saw) ?? []
    const earlier = sources.filter(({ startMs }) => startMs < read.endMs)
    if (earlier.length === 0) found.push(`${key}: ${read.saw} was seen, and nobody had written it`)
    else if (earlier.every((source) => isOverwritten(source, done, read)))
      found.push(`${key}: ${read.saw} was seen after a later write had been acknowledged`)
  }

  // Of two readers, the later one may not see an older state than the earlier one.
  const certain = reads.flatMap((read) => {
    const [source, other] = byId.get(read.saw) ?? []
    return source === undefined || other !== undefined ? [] : [{ ...read, source }]
  })
  const byEnd = certain.toSorted((one, other) => one.endMs - other.endMs)
  const byStart = certain.toSorted((one, other) => one.startMs - other.startMs)
  let [index, newest] = [0, Number.NEGATIVE_INFINITY]
  for (const read of byStart) {
    for (; (byEnd[index]?.endMs ?? Number.POSITIVE_INFINITY) < read.startMs; index++)
      newest = Math.max(newest, byEnd[index]?.source.startMs ?? newest)
    if (read.source.endMs < newest) found.push(`${key}: ${read.saw} was seen after something newer had been seen`)
  }

  for (const [base, followers] of Map.groupBy(
    done.filter(({ basedOn }) => basedOn !== undefined && basedOn !== ABSENT),
    ({ basedOn }) => basedOn,
  )) {
    if (followers.length > 1) found.push(`${key}: ${followers.length} writers have replaced the same ${base}`)
  }
  return found
}

/** Some write began after `source` had been acknowledged and was acknowledged itself before the read began. */
function isOverwritten(source: Write, done: readonly Write[], read: Read): boolean {
  return done.some((other) => other.startMs > source.endMs && other.endMs < read.startMs)
}
