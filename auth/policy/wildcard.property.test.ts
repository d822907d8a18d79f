import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { noContext } from './context.ts'
import { matchesPattern, parsePattern } from './pattern.ts'

const syntax = { wildcards: true, variables: false }

/** By the definition, table of prefixes against prefixes: slow, and hard to get wrong. */
function oracle(pattern: string, text: string): boolean {
  const characters = [...text]
  let row = [true, ...characters.map(() => false)]
  for (const token of pattern) {
    const above = row
    row = token === '*' ? [above[0] ?? false] : [false]
    for (const [index, character] of characters.entries()) {
      const [diagonal, up, left] = [above[index] ?? false, above[index + 1] ?? false, row[index] ?? false]
      row.push(token === '*' ? up || left : diagonal && (token === '?' || token === character))
    }
  }
  return row.at(-1) ?? false
}

describe('a wildcard', () => {
  it('matches what it matches by definition', () => {
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '🦊', '*', '?', '*', '?'), maxLength: 12 })
    const text = fc.string({ unit: fc.constantFrom('a', 'a', 'b', '🦊'), maxLength: 16 })
    fc.assert(
      fc.property(pattern, text, (given, asked) => {
        expect(matchesPattern(parsePattern(given, syntax), asked, noContext)).toBe(oracle(given, asked))
      }),
      { numRuns: 5_000 },
    )
  })

  it('matches across the 32 places that are tried at once', () => {
    const longer = (...units: string[]) => fc.string({ unit: fc.constantFrom(...units), minLength: 30, maxLength: 70 })
    fc.assert(
      fc.property(longer('a', 'a', 'a', '?', 'b'), longer('a', 'a', 'b'), longer('a', 'b'), (middle, before, after) => {
        const pattern = `*${middle}*`
        const text = `${before}${middle.replaceAll('?', 'a')}${after}`
        expect(matchesPattern(parsePattern(pattern, syntax), text, noContext)).toBe(true)
        expect(matchesPattern(parsePattern(pattern, syntax), before + after, noContext)).toBe(
          oracle(pattern, before + after),
        )
      }),
      { numRuns: 500 },
    )
  })

  it.each([
    ['stars', 'a*'.repeat(9_000)],
    ['gaps', `*${'a?'.repeat(500)}b*`],
    ['stars and gaps', `${'*?a'.repeat(5_000)}b`],
    ['a long text between stars', `*${'a'.repeat(1_000)}b*`],
  ])('is not slow: %s', (_name, hostile) => {
    const pattern = parsePattern(hostile, syntax)
    const started = performance.now()
    for (let round = 0; round < 20; round++) {
      expect(matchesPattern(pattern, 'a'.repeat(1_024), noContext)).toBe(false)
    }
    // 20 times; by trying everything one of them would not end. Far above what it takes, because machines are busy.
    expect(performance.now() - started).toBeLessThan(2_000)
  })
})
