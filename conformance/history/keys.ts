/** Few keys, so that everybody is in everybody's way. */
import type { Random } from '../random.ts'

export type KeyKind =
  /** Only S3 clients touch it. */
  | 'plain'
  /** One key's directory is another one's name. */
  | 'clash'
  /** File users replace it by rename, remove and read it. */
  | 'renamed'
  /** File users write into the file that is there. Never the source of a copy: that could be torn for good. */
  | 'rewritten'

export const KEYS: Readonly<Record<KeyKind, readonly string[]>> = {
  plain: ['p0', 'p1', 'd/p2', 'q/r/s'],
  clash: ['a', 'a/b', 'a/b/c', 'c', 'c/d', 'e/f', 'e/f/g'],
  renamed: ['r0', 'k/r1'],
  rewritten: ['i0', 'k/i1'],
}

export const ALL_KEYS: readonly string[] = Object.values(KEYS).flat()

const KINDS: readonly KeyKind[] = ['plain', 'plain', 'plain', 'clash', 'clash', 'clash', 'renamed', 'rewritten']

export function pickKey(random: Random): { readonly key: string; readonly kind: KeyKind } {
  const kind = random.pick(KINDS)
  // The first key of a kind is as hot as all others together.
  const key = random.next() < 0.4 ? KEYS[kind][0] : undefined
  return { kind, key: key ?? random.pick(KEYS[kind]) }
}

export const pickSource = (random: Random): string => random.pick([...KEYS.plain, ...KEYS.clash, ...KEYS.renamed])
