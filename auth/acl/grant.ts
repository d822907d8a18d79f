/** Grants of an access control list: https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html */

import type { Identity } from '../identity.ts'
import { isOwner } from '../owner-ids.ts'

export type Permission = 'FULL_CONTROL' | 'READ' | 'WRITE' | 'READ_ACP' | 'WRITE_ACP'

export type Grant = {
  readonly grantee: /** Or a group of the directory, which its canonical id stands for. */
    | { readonly kind: 'user'; readonly canonicalId: string; readonly displayName?: string | undefined }
    | { readonly kind: 'group'; readonly uri: string }
  readonly permission: Permission
}

export const ALL_USERS = 'http://acs.amazonaws.com/groups/global/AllUsers'
export const AUTHENTICATED_USERS = 'http://acs.amazonaws.com/groups/global/AuthenticatedUsers'
export const LOG_DELIVERY = 'http://acs.amazonaws.com/groups/s3/LogDelivery'

/** Who is in a group. Nobody is in one that is not named here. */
const members = new Map<string, (identity: Identity | undefined) => boolean>([
  [ALL_USERS, () => true],
  [AUTHENTICATED_USERS, (identity) => identity !== undefined],
])

export function aclAllows(
  grants: readonly Grant[],
  identity: Identity | undefined,
  permission: Exclude<Permission, 'FULL_CONTROL'>,
): boolean {
  return findGrant(grants, identity, permission) !== undefined
}

/** The first grant that gives it to them. */
export function findGrant(
  grants: readonly Grant[],
  identity: Identity | undefined,
  permission: Exclude<Permission, 'FULL_CONTROL'>,
): Grant | undefined {
  return grants.find((grant) => {
    if (grant.permission !== permission && grant.permission !== 'FULL_CONTROL') return false
    if (grant.grantee.kind === 'group') return members.get(grant.grantee.uri)?.(identity) ?? false
    return isOwner(identity, grant.grantee.canonicalId)
  })
}

/**
 * To one of the groups that anybody can join, whatever the permission.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#public-acls
 */
export function isPublicAcl(grants: readonly Grant[]): boolean {
  return grants.some(isPublicGrant)
}

export function isPublicGrant({ grantee }: Grant): boolean {
  return grantee.kind === 'group' && (grantee.uri === ALL_USERS || grantee.uri === AUTHENTICATED_USERS)
}
