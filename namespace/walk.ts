import { commonPrefix } from './common-prefix.ts'
import { encodeSegment, keyBytesMax } from './key-path.ts'
import { join } from './layout.ts'
import { arrive } from './walk-ahead.ts'
import { expand, type Frame, frameOf, next, position, type WalkQuery, type WalkSource } from './walk-frame.ts'

/** One thing that a listing shows. Paths are relative to the root of Files. */
export type WalkEntry =
  | {
      readonly kind: 'file'
      readonly key: string
      readonly directory: string
      /** Raw bytes, for statMany. */
      readonly name: Buffer
      readonly aside: boolean
    }
  /** A key ending in '/' that is a directory carrying a record. */
  | { readonly kind: 'directory'; readonly key: string; readonly directory: string }
  /** A common prefix with at least one key below it. */
  | { readonly kind: 'prefix'; readonly prefix: string }

export type { WalkSource }

/**
 * Keys and common prefixes of a tree in S3's order, which is that of the bytes of whole keys: "a-b" < "a/b" < "a0". Depth first is that
 * order once a directory sorts as its name + '/'. Starts where the query says without reading what lies before, so a page costs what it shows.
 * One unreadable, foreign or vanishing entry never fails it; the bucket's own directory missing does. (P-102 to P-108, P-114, P-115, P-120)
 */
export async function* walk(source: WalkSource, query: WalkQuery): AsyncGenerator<WalkEntry, void, undefined> {
  const { prefix, delimiter } = query
  const start = startOf(query)
  const stack = start === undefined ? [] : framesTo(source, prefix, start)
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    if (frame.from !== undefined) await position(source, frame)
    const child = next(source, frame)
    if (child === undefined) {
      stack.pop()
      continue
    }
    if (child.kind === 'chain') {
      await expand(source, frame, frame.decodedIndex, child)
      continue
    }
    const key = frame.key + child.segment + (child.kind === 'directory' ? '/' : '')
    if (!key.startsWith(prefix)) return
    if (child.kind === 'directory') {
      const arrival = await arrive(source, query, frame, child)
      if (typeof arrival === 'object') stack.push(frameOf(join(frame.path, child.path), key, nothing, arrival))
      if (arrival !== 'proven') continue
    }
    const group = commonPrefix(key, prefix, delimiter)
    if (group !== undefined) {
      yield { kind: 'prefix', prefix: group }
      if (group !== key || child.kind !== 'directory') skip(stack, group)
    } else if (child.kind === 'file') {
      yield { kind: 'file', key, directory: join(frame.path, child.chain), name: child.name, aside: child.aside }
    } else {
      yield { kind: 'directory', key, directory: frame.path }
    }
  }
}

/** No key has this byte, so `x` + it comes after all that begins with x. */
const beyond = Buffer.from([0xff])
const nul = Buffer.from([0])
const nothing = Buffer.alloc(0)

/** The first position that counts: inclusive, in bytes of keys. undefined: nothing can come. */
function startOf({ prefix, delimiter, after }: WalkQuery): Buffer | undefined {
  const prefixBytes = Buffer.from(prefix)
  if (after === '') return prefixBytes
  const afterBytes = Buffer.from(after)
  if (!after.startsWith(prefix)) return Buffer.compare(afterBytes, prefixBytes) < 0 ? prefixBytes : undefined
  // The least key greater than "a" is "a\0"; the least after the group "a/" comes after all of it.
  return Buffer.concat([afterBytes, commonPrefix(after, prefix, delimiter) === after ? beyond : nul])
}

/**
 * Straight to the directory where the start lies, by name and without reading what is above it. Directories above the prefix's own are never
 * needed; those between it and the start are read when the walk comes back to them. (From "bc/d", "bc/" itself is behind.)
 * prefix "a/b", start "a/bc/d/e" → frames "a/" (from "bc/d/e"), "a/bc/" (from "d/e"), "a/bc/d/" (from "e")
 */
function framesTo(source: WalkSource, prefix: string, start: Buffer): Frame[] {
  const base = prefix.lastIndexOf('/') + 1
  const stack: Frame[] = []
  let path = source.root
  let key = ''
  let rest = start
  for (;;) {
    if (key.length >= base) stack.push(frameOf(path, key, rest))
    const slash = rest.indexOf(0x2f)
    if (slash < 0) return stack
    // What follows a whole group starts behind its directory, not in it.
    const isBehind = rest[slash + 1] === 0xff
    const segment = rest.toString('utf8', 0, slash)
    path = join(path, encodeSegment(segment, false))
    key = `${key}${segment}/`
    if (isBehind || Buffer.byteLength(key) > keyBytesMax || source.boundary(path)) return key.length > base ? stack : []
    rest = rest.subarray(slash + 1)
  }
}

/** On behind all keys that begin with `group`. The walk has just been in it, so every directory on the way is on the stack. */
function skip(stack: Frame[], group: string): void {
  const target = Buffer.concat([Buffer.from(group), beyond])
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    if (target.subarray(0, frame.keyBytes.length).equals(frame.keyBytes)) {
      frame.from = target.subarray(frame.keyBytes.length)
      return
    }
    stack.pop()
  }
}
