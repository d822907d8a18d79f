import { expect, it } from 'vitest'
import { type ConfigOverrides, loadConfig } from './config.ts'
import { posixIdOptions } from './posix-id-options.ts'

const SID = 'S-1-5-21-321277845-873389989-806497059'
const optionsOf = (identity: NonNullable<ConfigOverrides['identity']>) =>
  posixIdOptions(loadConfig(undefined, { identity }, {}).identity)

it('ids of directory users come from where the configuration says', () => {
  expect(optionsOf({})).toEqual({ from: 'none' })
  expect(optionsOf({ posix_ids: 'sid' })).toEqual({
    from: 'sid',
    range: { min: 200_000, max: 2_000_200_000, sliceSize: 200_000 },
    domainSids: [],
    defaultDomainSid: undefined,
  })
  const sid = { sid_range_min: 10, sid_range_max: 90, sid_slice_size: 20, sid_default_domain: SID, sid_domains: [SID] }
  expect(optionsOf({ posix_ids: 'sid', ...sid })).toEqual({
    from: 'sid',
    range: { min: 10, max: 90, sliceSize: 20 },
    domainSids: [SID],
    defaultDomainSid: SID,
  })
  const rfc2307 = { rfc2307_primary_group: 'primaryGroupID', rfc2307_id_min: 5, rfc2307_id_max: 6 } as const
  expect(optionsOf({ posix_ids: 'rfc2307', ...rfc2307 })).toEqual({
    from: 'rfc2307',
    primaryGroup: 'primaryGroupID',
    idMin: 5,
    idMax: 6,
  })
})
