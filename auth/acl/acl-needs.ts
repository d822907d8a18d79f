import type { Permission } from './grant.ts'

export type AclNeed = {
  /** Whose ACL counts. */
  readonly on: 'bucket' | 'object'
  readonly permission: Exclude<Permission, 'FULL_CONTROL'>
}

/**
 * What an ACL must grant for an action; no ACL gives an action that is not here.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#acl-access-policy-permission-mapping
 * WRITE on an object grants nothing; overwriting and deleting need it on the bucket (P-185).
 */
export const aclNeeds: ReadonlyMap<string, AclNeed> = new Map([
  ['s3:AbortMultipartUpload', { on: 'bucket', permission: 'WRITE' }],
  ['s3:DeleteObject', { on: 'bucket', permission: 'WRITE' }],
  ['s3:DeleteObjectVersion', { on: 'bucket', permission: 'WRITE' }],
  ['s3:GetBucketAcl', { on: 'bucket', permission: 'READ_ACP' }],
  ['s3:GetObject', { on: 'object', permission: 'READ' }],
  ['s3:GetObjectAcl', { on: 'object', permission: 'READ_ACP' }],
  ['s3:GetObjectAttributes', { on: 'object', permission: 'READ' }],
  ['s3:GetObjectTorrent', { on: 'object', permission: 'READ' }],
  ['s3:GetObjectVersion', { on: 'object', permission: 'READ' }],
  ['s3:GetObjectVersionAcl', { on: 'object', permission: 'READ_ACP' }],
  ['s3:GetObjectVersionAttributes', { on: 'object', permission: 'READ' }],
  ['s3:GetObjectVersionTorrent', { on: 'object', permission: 'READ' }],
  ['s3:ListBucket', { on: 'bucket', permission: 'READ' }],
  ['s3:ListBucketMultipartUploads', { on: 'bucket', permission: 'READ' }],
  ['s3:ListBucketVersions', { on: 'bucket', permission: 'READ' }],
  ['s3:ListMultipartUploadParts', { on: 'bucket', permission: 'WRITE' }],
  ['s3:PutBucketAcl', { on: 'bucket', permission: 'WRITE_ACP' }],
  ['s3:PutObject', { on: 'bucket', permission: 'WRITE' }],
  ['s3:PutObjectAcl', { on: 'object', permission: 'WRITE_ACP' }],
  ['s3:PutObjectVersionAcl', { on: 'object', permission: 'WRITE_ACP' }],
])
