/**
 * Wildcards of a policy: `*` is any number of characters, `?` exactly one. No pattern makes it slow: what lies between two stars is
 * looked for once, from left to right, and the earliest place is the right one, because everything after it only gets more room.
 */

/** The pattern cut at its stars: one segment more than there are stars. */
export type Wildcard = readonly Segment[]

/** Characters (code points), undefined for `?`; either its text or, where it has gaps, its masks. */
type Segment = {
  readonly characters: readonly (string | undefined)[]
  readonly literal: string | undefined
  readonly masks: Masks | undefined
}

/** For each character where it fits, the gaps included; under undefined the gaps alone. One bit per place. */
type Masks = ReadonlyMap<string | undefined, Uint32Array>

export const ONE: unique symbol = Symbol('?')
export const MANY: unique symbol = Symbol('*')

/** @param pieces literal texts and wildcards in their order */
export function wildcard(pieces: readonly (string | typeof ONE | typeof MANY)[]): Wildcard {
  const segments: (string | undefined)[][] = [[]]
  for (const piece of pieces) {
    if (piece === MANY) segments.push([])
    else segments.at(-1)?.push(...(piece === ONE ? [undefined] : piece))
  }
  return segments.map((characters) => {
    const hasGaps = characters.includes(undefined)
    return {
      characters,
      literal: hasGaps ? undefined : characters.join(''),
      masks: hasGaps ? masksOf(characters) : undefined,
    }
  })
}

export function matchesWildcard(segments: Wildcard, text: string): boolean {
  const [first, ...others] = segments
  const last = others.pop()
  let position = first === undefined ? undefined : endAt(first, text, 0)
  if (last === undefined) return position === text.length
  for (const segment of others) {
    if (position === undefined) return false
    position = findEnd(segment, text, position)
  }
  return position !== undefined && isAtEnd(last, text, position)
}

/** Where the segment ends if it stands at this position. */
function endAt({ characters, literal }: Segment, text: string, start: number): number | undefined {
  if (literal !== undefined) return text.startsWith(literal, start) ? start + literal.length : undefined
  let position = start
  for (const character of characters) {
    const found = characterAt(text, position)
    if (found === undefined || (character !== undefined && character !== found)) return undefined
    position += found.length
  }
  return position
}

function isAtEnd(segment: Segment, text: string, from: number): boolean {
  if (segment.literal !== undefined) {
    return text.length - segment.literal.length >= from && text.endsWith(segment.literal)
  }
  const tail = [...text.slice(from)].slice(-segment.characters.length).join('')
  return endAt(segment, tail, 0) === tail.length
}

/** Where the earliest occurrence ends. */
function findEnd({ characters, literal, masks }: Segment, text: string, from: number): number | undefined {
  if (masks !== undefined) return findEndWithGaps(masks, characters.length - 1, text, from)
  const start = text.indexOf(literal ?? '', from)
  return start < 0 ? undefined : start + (literal ?? '').length
}

/**
 * Shift-And (Baeza-Yates and Gonnet, 1992): bit i of the state says that the characters up to i have just been read. 32 places are
 * tried at once: `*a?a?a?…` against a key of 1,024 times `a` takes 0.1 ms.
 */
function findEndWithGaps(masks: Masks, final: number, text: string, from: number): number | undefined {
  const gaps = masks.get(undefined) ?? new Uint32Array()
  const state = new Uint32Array(gaps.length)
  for (let position = from; position < text.length; ) {
    const character = characterAt(text, position) ?? ''
    const mask = masks.get(character) ?? gaps
    let carry = 1
    for (let word = 0; word < state.length; word++) {
      const before = state[word] ?? 0
      state[word] = ((before << 1) | carry) & (mask[word] ?? 0)
      carry = before >>> 31
    }
    position += character.length
    if (((state[final >>> 5] ?? 0) >>> (final & 31)) & 1) return position
  }
  return undefined
}

function masksOf(characters: readonly (string | undefined)[]): Masks {
  const gaps = new Uint32Array(Math.ceil(characters.length / 32))
  const masks = new Map<string | undefined, Uint32Array>([[undefined, gaps]])
  for (const [index, character] of characters.entries()) if (character === undefined) set(gaps, index)
  for (const [index, character] of characters.entries()) {
    masks.set(character, set(masks.get(character) ?? Uint32Array.from(gaps), index))
  }
  return masks
}

function set(mask: Uint32Array, index: number): Uint32Array {
  mask[index >>> 5] = (mask[index >>> 5] ?? 0) | (1 << (index & 31))
  return mask
}

function characterAt(text: string, position: number): string | undefined {
  const point = text.codePointAt(position)
  return point === undefined ? undefined : String.fromCodePoint(point)
}
