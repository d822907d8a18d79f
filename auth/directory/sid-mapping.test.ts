import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type SidMappingOptions, type SidRange, sidMapping } from './sid-mapping.ts'

const LAB = 'S-1-5-21-321277845-873389989-806497059'
const OTHER = 'S-1-5-21-498011193-1797586805-1444140841'
/** sssd's defaults. */
const range: SidRange = { min: 200_000, max: 2_000_200_000, sliceSize: 200_000 }

const idOf = (sid: string, options: Partial<SidMappingOptions> = {}) =>
  sidMapping({ range, domainSids: [LAB, OTHER], ...options }).idOf(sid)

describe('the id of a SID', () => {
  // Checked with libsss_idmap 2.8.2 and pysss_murmur.
  it.each([
    [`${LAB}-1102`, 653_201_102],
    [`${LAB}-513`, 653_200_513],
    [`${LAB}-200000`, 1_925_000_000],
    [`${LAB}-450123`, 1_911_450_123],
    [`${LAB}-2500000`, 1_498_700_000],
    [`${OTHER}-1102`, 451_601_102],
  ])('of %s is %i, as sssd has it', (sid, id) => {
    expect(idOf(sid)).toEqual({ id })
  })

  it('begins at the lowest one for the default domain, whose further slices lie where they would', () => {
    const options = { defaultDomainSid: LAB }
    expect(idOf(`${LAB}-1102`, options)).toEqual({ id: 201_102 })
    expect(idOf(`${LAB}-450123`, options)).toEqual({ id: 1_911_450_123 })
    expect(idOf(`${OTHER}-1102`, options)).toEqual({ id: 451_601_102 })
  })

  it('counts slices by the range that is given, of which a rest at the end is not used', () => {
    const small = { min: 1000, max: 4999, sliceSize: 2000 }
    // One slice fits: whatever the hash, it is the first.
    expect(idOf(`${LAB}-7`, { range: small, domainSids: [LAB] })).toEqual({ id: 1007 })
  })

  it.each([
    ['S-1-5-32-544', 'it is of no domain'],
    ['S-1-1-0', 'it is of no domain'],
    [LAB, 'it is of no domain'],
    [`${LAB}-4294967296`, 'it is of no domain'],
    [`${LAB}-1102-7`, 'it is of no domain'],
    [`x${LAB}-1102`, 'it is of no domain'],
    ['S-1-5-21-1-2-3-4', 'the domain S-1-5-21-1-2-3 is none of those whose SIDs are mapped'],
  ])('is none for %s: %s', (sid, why) => {
    expect(idOf(sid)).toEqual({ id: undefined, why })
  })
})

describe('the SID of an id', () => {
  const { sidOf } = sidMapping({ range, domainSids: [LAB, OTHER] })

  it.each([
    [653_201_102, `${LAB}-1102`],
    [1_911_450_123, `${LAB}-450123`],
    [451_601_102, `${OTHER}-1102`],
    [1000, undefined],
    [2_000_200_000, undefined],
    [4_294_967_294, undefined],
  ])('of %i is %s', (id, sid) => {
    expect(sidOf(id)).toBe(sid)
  })

  it('is of the default domain where the ids begin', () => {
    expect(sidMapping({ range, domainSids: [LAB, OTHER], defaultDomainSid: LAB }).sidOf(201_102)).toBe(`${LAB}-1102`)
  })

  it('is found in bounded time, however small the slices are', () => {
    const narrow = { min: 1, max: 4_000_000_000, sliceSize: 1 }
    expect(sidMapping({ range: narrow, domainSids: [LAB] }).sidOf(17)).toBeUndefined()
  })
})

describe('slices that fall on one another', () => {
  it('are refused where they are the first of two domains', () => {
    const one = { min: 1000, max: 2999, sliceSize: 2000 }
    const wide = { ...one, max: 2_000_999 }
    expect(() => sidMapping({ range: { ...one, max: 3000 }, domainSids: [LAB, OTHER] })).toThrow(
      `The domains ${LAB} and ${OTHER} fall on the same slice of ids (0 of 1), so two of their users would be one; give another range of ids here and to sssd, or leave one of the domains out.`,
    )
    expect(() => sidMapping({ range: wide, domainSids: [LAB, OTHER] })).not.toThrow()
  })

  it('are refused where a hash falls on the slice of the default domain', () => {
    // As many slices as the hash of the lab's domain is: the rest is 0.
    const onZero = { min: 1, max: 1 + 224023265, sliceSize: 1 }
    expect(() => sidMapping({ range: onZero, domainSids: [LAB], defaultDomainSid: OTHER })).toThrow(/0 of 224023265/)
  })

  it('are refused for the later of a domain, and named', () => {
    const range = { min: 1000, max: 1020, sliceSize: 10 }
    const { idOf } = sidMapping({ range, domainSids: [LAB] })
    expect([5, 15, 25].map((rid) => idOf(`${LAB}-${rid}`))).toEqual([
      { id: 1015 },
      { id: 1005 },
      {
        id: undefined,
        why: `its slice of ids, from RID 20 of ${LAB}, falls on that from RID 10 of ${LAB}`,
      },
    ])
  })

  it('never give one id to two SIDs, nor one outside of the range, whichever is asked first; and back again', () => {
    const sub = fc.nat(0xffffffff)
    const domain = fc.tuple(sub, sub, sub).map((parts) => `S-1-5-21-${parts.join('-')}`)
    const domains = fc.uniqueArray(domain, { minLength: 1, maxLength: 3 })
    const ranges = fc.record({
      min: fc.integer({ min: 1, max: 1000 }),
      size: fc.integer({ min: 1, max: 9 }),
      slices: fc.integer({ min: 1, max: 40 }),
    })
    const pick = fc.tuple(fc.nat(2), fc.nat(200))
    let mapped = 0
    let refused = 0
    let back = 0
    fc.assert(
      fc.property(
        domains,
        ranges,
        fc.array(pick, { maxLength: 60 }),
        fc.boolean(),
        (domainSids, { min, size, slices }, picks, pinned) => {
          const range = { min, max: min + size * slices, sliceSize: size }
          const options = { range, domainSids, defaultDomainSid: pinned ? domainSids[0] : undefined }
          let map: ReturnType<typeof sidMapping>
          try {
            map = sidMapping(options)
          } catch {
            refused++
            return
          }
          const sids = [...new Set(picks.map(([index, rid]) => `${domainSids[index % domainSids.length]}-${rid}`))]
          const ids = sids.map((sid) => map.idOf(sid).id)
          const again = sidMapping(options)
          expect(sids.toReversed().map((sid) => again.idOf(sid).id)).toEqual(ids.toReversed())
          const given = ids.filter((id) => id !== undefined)
          mapped += given.length
          expect(new Set(given).size).toBe(given.length)
          for (const id of given) expect(id >= range.min && id < range.max).toBe(true)
          for (const sid of sids) {
            const { id } = map.idOf(sid)
            if (id !== undefined) expect(map.sidOf(id)).toBe(sid)
          }
          for (let id = range.min - 1; id <= range.max; id++) {
            const sid = map.sidOf(id)
            if (sid === undefined) continue
            back++
            expect(map.idOf(sid)).toEqual({ id })
          }
        },
      ),
      { numRuns: 500 },
    )
    // Both have happened, or nothing was shown.
    expect(mapped).toBeGreaterThan(100)
    expect(refused).toBeGreaterThan(0)
    expect(back).toBeGreaterThan(100)
  })
})
