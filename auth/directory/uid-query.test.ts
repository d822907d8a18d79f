import { describe, expect, it } from 'vitest'
import { type PosixIdOptions, posixIds } from './posix-id.ts'
import { uidQueries } from './uid-query.ts'

const LAB = 'S-1-5-21-321277845-873389989-806497059'
const bySid: PosixIdOptions = {
  from: 'sid',
  range: { min: 200_000, max: 2_000_200_000, sliceSize: 200_000 },
  domainSids: [],
}
const byAttributes: PosixIdOptions = { from: 'rfc2307', primaryGroup: 'gidNumber', idMin: 1000, idMax: 60_000 }

describe('the user of a uid is asked for', () => {
  it.each<[string, PosixIdOptions, number, object | undefined]>([
    ['by SID where ids are made of SIDs', bySid, 653_201_102, { attribute: 'objectSid', value: `${LAB}-1102` }],
    ['not at all where no SID has it', bySid, 1000, undefined],
    ['by number where numbers are attributes', byAttributes, 1000, { attribute: 'uidNumber', value: '1000' }],
    ['up to the highest number', byAttributes, 60_000, { attribute: 'uidNumber', value: '60000' }],
    ['not at all below the lowest: root is nobody of the directory', byAttributes, 0, undefined],
    ['not at all above the highest', byAttributes, 60_001, undefined],
    ['not at all where users have no uid', { from: 'none' }, 1000, undefined],
  ])('%s', (_name, options, uid, query) => {
    expect(uidQueries(options, LAB)(uid)).toEqual(query)
  })
})

it('a user is asked for by the SID that their uid is made of', () => {
  const sid = `${LAB}-1102`
  const { posix } = posixIds(bySid, LAB)({ sid, groups: [], primaryGroupId: 513 })
  expect(uidQueries(bySid, LAB)(posix?.uid ?? 0)).toEqual({ attribute: 'objectSid', value: sid })
})
