import { ALL_USERS, AUTHENTICATED_USERS, type Grant, LOG_DELIVERY, type Permission } from './grant.ts'

export type AclOwner = { readonly canonicalId: string; readonly displayName?: string | undefined }

type Owners = {
  readonly owner: AclOwner
  /** Of the bucket that an object is in; undefined: it is the bucket's own ACL. */
  readonly bucketOwner?: AclOwner | undefined
}

/** What comes beside FULL_CONTROL for the owner, to a group or to the bucket's owner. */
type Extra = readonly [grantee: string, permission: Permission]
const BUCKET_OWNER = 'the owner of the bucket'

const both: Readonly<Record<string, readonly Extra[]>> = {
  private: [],
  'public-read': [[ALL_USERS, 'READ']],
  'public-read-write': [
    [ALL_USERS, 'READ'],
    [ALL_USERS, 'WRITE'],
  ],
  'authenticated-read': [[AUTHENTICATED_USERS, 'READ']],
}

/** Names that only a bucket, only an object can have (P-182). */
const bucketTable = new Map<string, readonly Extra[]>([
  ...Object.entries(both),
  [
    'log-delivery-write',
    [
      [LOG_DELIVERY, 'WRITE'],
      [LOG_DELIVERY, 'READ_ACP'],
    ],
  ],
])
const objectTable = new Map<string, readonly Extra[]>([
  ...Object.entries(both),
  // READ for Amazon EC2, which is nobody here.
  ['aws-exec-read', []],
  ['bucket-owner-read', [[BUCKET_OWNER, 'READ']]],
  ['bucket-owner-full-control', [[BUCKET_OWNER, 'FULL_CONTROL']]],
])

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl; undefined: there is no such name. */
export function cannedAcl(name: string, { owner, bucketOwner }: Owners): Grant[] | undefined {
  const extras = (bucketOwner === undefined ? bucketTable : objectTable).get(name)
  if (extras === undefined) return undefined
  return [toUser(owner, 'FULL_CONTROL'), ...extras.flatMap(([grantee, permission]) => grant(grantee, permission))]

  function grant(grantee: string, permission: Permission): Grant[] {
    if (grantee !== BUCKET_OWNER) return [{ grantee: { kind: 'group', uri: grantee }, permission }]
    if (bucketOwner === undefined || bucketOwner.canonicalId === owner.canonicalId) return []
    return [toUser(bucketOwner, permission)]
  }
}

function toUser({ canonicalId, displayName }: AclOwner, permission: Permission): Grant {
  return { grantee: { kind: 'user', canonicalId, displayName }, permission }
}
