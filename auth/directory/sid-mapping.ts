/**
 * SID → id as sssd's `ldap_id_mapping` makes it, so that a file has the same owner over S3 as on every host that runs sssd:
 *
 *     "S-1-5-21-321277845-873389989-806497059" + RID 1102
 *     slice 3265 = murmurhash3 of the domain's SID, modulo 10000 slices of 200000 ids
 *     id 653201102 = 200000 + 3265 × 200000 + 1102
 *
 * A RID that is no less than a slice is long falls into a further slice, whose key is the domain's SID and the first RID of the slice:
 * RID 450123 is the 50124th of "S-1-5-21-321277845-873389989-806497059-400000".
 *
 * Back again, an id of some slice belongs to the SID that is mapped to it, or to none.
 *
 * Where two slices fall on one another, sssd moves the one that it meets later, so hosts may differ. Here nothing is moved: two domains
 * that clash are refused, and of a domain's further slices one that clashes with an earlier one.
 * https://github.com/SSSD/sssd/blob/9238b410e4b34bcbaff8e66f057a1e9fd9c14f33/src/lib/idmap/sss_idmap.c
 */
import { murmurhash3 } from './murmurhash3.ts'

export type SidRange = {
  /** The lowest id: ldap_idmap_range_min. */
  readonly min: number
  /** Above the highest: ldap_idmap_range_max. */
  readonly max: number
  /** Ids of a slice: ldap_idmap_range_size. */
  readonly sliceSize: number
}

export type SidMappingOptions = {
  readonly range: SidRange
  /** Of domains whose users and groups have ids. */
  readonly domainSids: readonly string[]
  /** The one of them that has slice 0 whatever its hash: ldap_idmap_default_domain_sid. */
  readonly defaultDomainSid?: string | undefined
}

/** An id, or why there is none: a part of a sentence about the SID. */
export type MappedSid = { readonly id: number } | { readonly id: undefined; readonly why: string }

export type SidMapping = {
  idOf(sid: string): MappedSid
  /** The SID that `idOf` maps to this id; whether there is somebody of that SID is another question. */
  sidOf(id: number): string | undefined
}

/** A slice of ids: `first` is its first RID. */
type Slice = { readonly domainSid: string; readonly first: number }

const SEED = 0xdeadbeef

/** How many slices of a domain are tried for an id: all that there can be of sssd's 200,000 ids, and RIDs up to 22 million in slices of 1,000. */
const SLICES_TRIED_MAX = 22_000

/** Throws a sentence where two domains have the same slice. */
export function sidMapping({ range, domainSids, defaultDomainSid }: SidMappingOptions): SidMapping {
  const { min, max, sliceSize } = range
  const slices = Math.floor((max - min) / sliceSize)
  const domains = [...new Set(defaultDomainSid === undefined ? domainSids : [defaultDomainSid, ...domainSids])]
  const places = new Map<string, number>()
  const clashes = new Map<string, Slice | undefined>()

  const slicesByPlace = new Map<number, Slice | undefined>()

  function placeOf(slice: Slice): number {
    const key = `${slice.domainSid}-${slice.first}`
    const place = places.get(key) ?? computePlace(slice)
    places.set(key, place)
    return place
  }

  function computePlace({ domainSid, first }: Slice): number {
    if (first === 0 && domainSid === defaultDomainSid) return 0
    return murmurhash3(first === 0 ? domainSid : `${domainSid}-${first}`, SEED) % slices
  }

  /** An earlier slice at the same place, of whichever domain; of equal ones neither is earlier, and both clash. */
  function findClash(slice: Slice): Slice | undefined {
    const place = placeOf(slice)
    for (let first = 0; first <= slice.first; first += sliceSize) {
      const other = domains.find(
        (domainSid) =>
          !(domainSid === slice.domainSid && first === slice.first) && placeOf({ domainSid, first }) === place,
      )
      if (other !== undefined) return { domainSid: other, first }
    }
    return undefined
  }

  function clashOf(slice: Slice): Slice | undefined {
    const key = `${slice.domainSid}-${slice.first}`
    if (!clashes.has(key)) clashes.set(key, findClash(slice))
    return clashes.get(key)
  }

  /** The earliest slice at a place, for it is the one that has it; undefined also where two are equally early. */
  function findSlice(place: number): Slice | undefined {
    const firstMax = Math.min(UINT32_MAX, SLICES_TRIED_MAX * sliceSize)
    for (let first = 0; first <= firstMax; first += sliceSize) {
      const [found, another] = domains.filter((domainSid) => computePlace({ domainSid, first }) === place)
      if (found !== undefined) return another === undefined ? { domainSid: found, first } : undefined
    }
    return undefined
  }

  function sliceAt(place: number): Slice | undefined {
    if (!slicesByPlace.has(place)) slicesByPlace.set(place, findSlice(place))
    return slicesByPlace.get(place)
  }

  for (const domainSid of domains) {
    const clash = clashOf({ domainSid, first: 0 })
    if (clash === undefined) continue
    throw new Error(
      `The domains ${domainSid} and ${clash.domainSid} fall on the same slice of ids (${placeOf(clash)} of ${slices}), so two of their users would be one; give another range of ids here and to sssd, or leave one of the domains out.`,
    )
  }

  function idOf(sid: string): MappedSid {
    const parsed = parseSid(sid)
    if (parsed === undefined) return none('it is of no domain')
    const { domainSid, rid } = parsed
    if (!domains.includes(domainSid)) return none(`the domain ${domainSid} is none of those whose SIDs are mapped`)
    const slice = { domainSid, first: Math.floor(rid / sliceSize) * sliceSize }
    const clash = clashOf(slice)
    if (clash !== undefined) {
      return none(
        `its slice of ids, from RID ${slice.first} of ${domainSid}, falls on that from RID ${clash.first} of ${clash.domainSid}`,
      )
    }
    return { id: min + placeOf(slice) * sliceSize + (rid - slice.first) }
  }

  return {
    idOf,
    sidOf(id) {
      const place = Math.floor((id - min) / sliceSize)
      const slice = place >= 0 && place < slices ? sliceAt(place) : undefined
      if (slice === undefined) return undefined
      const rid = slice.first + ((id - min) % sliceSize)
      return rid > UINT32_MAX ? undefined : `${slice.domainSid}-${rid}`
    },
  }
}

const none = (why: string): MappedSid => ({ id: undefined, why })

const OF_A_DOMAIN = /^(S-1-5-21(?:-\d{1,10}){3})-(\d{1,10})$/
const UINT32_MAX = 0xffff_ffff

/** undefined for what belongs to no domain: builtin (S-1-5-32-…) and well-known ones (S-1-1-0). */
export function parseSid(sid: string): { readonly domainSid: string; readonly rid: number } | undefined {
  const [, domainSid, rid] = OF_A_DOMAIN.exec(sid) ?? []
  return domainSid === undefined || Number(rid) > UINT32_MAX ? undefined : { domainSid, rid: Number(rid) }
}
