/**
 * uid and gids of a user of a directory service: made of SIDs, or read from attributes. Pure; what the directory knows comes in.
 * Which of the two, and of what ranges, must be what the file servers and their other clients do, else files belong to somebody else.
 */
import type { Identity } from '../identity.ts'
import { type MappedSid, parseSid, type SidRange, sidMapping } from './sid-mapping.ts'

export type PosixIdOptions =
  | { readonly from: 'none' }
  | {
      readonly from: 'sid'
      readonly range: SidRange
      /** Domains beside the directory's own whose groups count. */
      readonly domainSids: readonly string[]
      readonly defaultDomainSid?: string | undefined
    }
  | {
      readonly from: 'rfc2307'
      /**
       * `gidNumber` is the user's own, which sssd and nslcd take; `primaryGroupID` is the gidNumber of the group that this names,
       * which winbind's idmap_ad takes unless `unix_primary_group = yes`. They differ for most users.
       */
      readonly primaryGroup: 'gidNumber' | 'primaryGroupID'
      /** Inclusive. What is outside is no id: an administrator of the directory cannot make somebody root here. */
      readonly idMin: number
      readonly idMax: number
    }

/** What the directory says of a user. */
export type PosixSource = {
  readonly sid: string
  /** Of tokenGroups: nested groups and the primary one included. */
  readonly groups: readonly { readonly sid: string; readonly gidNumber?: number | undefined }[]
  /** A RID of the user's domain. */
  readonly primaryGroupId?: number | undefined
  /** RFC 2307. */
  readonly uidNumber?: number | undefined
  readonly gidNumber?: number | undefined
}

export type PosixAnswer =
  | {
      /** `groups` in rising order, without `gid`: as the kernel keeps them. */
      readonly posix: NonNullable<Identity['posix']>
      /** SIDs of groups that have no gid and so give nothing on the file system, with the reason; builtin ones are not told. */
      readonly unmapped: readonly UnmappedGroup[]
    }
  | { readonly posix: undefined; readonly reason: string }

export type UnmappedGroup = { readonly sid: string; readonly why: string }

export type PosixIds = (source: PosixSource) => PosixAnswer

/**
 * @param ownDomainSid of the domain whose controllers are asked
 *
 * Throws a sentence where two domains fall on the same ids.
 */
export function posixIds(options: PosixIdOptions, ownDomainSid: string): PosixIds {
  switch (options.from) {
    case 'none':
      return () => missing('users of the directory have no uid, since posix_ids is "none"')
    case 'sid':
      return bySid({ ...options, domainSids: [ownDomainSid, ...options.domainSids] })
    case 'rfc2307':
      return byAttributes(options)
  }
}

function bySid(options: Parameters<typeof sidMapping>[0]): PosixIds {
  const { idOf } = sidMapping(options)
  return ({ sid, groups, primaryGroupId }) => {
    const user = idOf(sid)
    if (user.id === undefined) return missing(`${sid} has no uid: ${user.why}`)
    const primarySid = sidOfPrimaryGroup(sid, primaryGroupId)
    if (primarySid === undefined) return missing(`${sid} has no primaryGroupID`)
    const primary = idOf(primarySid)
    if (primary.id === undefined) return missing(`the primary group ${primarySid} has no gid: ${primary.why}`)
    return answer(user.id, primary.id, groups, (group) => idOf(group.sid))
  }
}

function byAttributes({ primaryGroup, idMin, idMax }: PosixIdOptions & { from: 'rfc2307' }): PosixIds {
  const idOf = (attribute: string, value: number | undefined): MappedSid => {
    if (value === undefined) return { id: undefined, why: `no ${attribute}` }
    if (Number.isInteger(value) && value >= idMin && value <= idMax) return { id: value }
    return { id: undefined, why: `${attribute} ${value}, which is not from ${idMin} to ${idMax}` }
  }
  return ({ sid, groups, primaryGroupId, uidNumber, gidNumber }) => {
    const user = idOf('uidNumber', uidNumber)
    if (user.id === undefined) return missing(`${sid} has ${user.why}`)
    const primarySid = primaryGroup === 'gidNumber' ? sid : sidOfPrimaryGroup(sid, primaryGroupId)
    if (primarySid === undefined) return missing(`${sid} has no primaryGroupID`)
    const ofPrimary = primarySid === sid ? gidNumber : groups.find((group) => group.sid === primarySid)?.gidNumber
    const primary = idOf('gidNumber', ofPrimary)
    if (primary.id === undefined)
      return missing(`${primarySid === sid ? '' : 'the primary group '}${primarySid} has ${primary.why}`)
    return answer(user.id, primary.id, groups, (group) => idOf('gidNumber', group.gidNumber))
  }
}

const missing = (reason: string): PosixAnswer => ({ posix: undefined, reason })

type Group = PosixSource['groups'][number]

function answer(uid: number, gid: number, groups: readonly Group[], idOf: (group: Group) => MappedSid): PosixAnswer {
  const gids = new Set<number>()
  const unmapped: UnmappedGroup[] = []
  for (const group of groups) {
    const { sid } = group
    if (parseSid(sid) === undefined) continue
    const mapped = idOf(group)
    if (mapped.id === undefined) unmapped.push({ sid, why: mapped.why })
    else if (mapped.id !== gid) gids.add(mapped.id)
  }
  return { posix: { uid, gid, groups: [...gids].sort((one, other) => one - other) }, unmapped }
}

function sidOfPrimaryGroup(sid: string, primaryGroupId: number | undefined): string | undefined {
  const domainSid = parseSid(sid)?.domainSid
  return domainSid === undefined || primaryGroupId === undefined ? undefined : `${domainSid}-${primaryGroupId}`
}
