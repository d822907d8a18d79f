/**
 * The condition keys of S3 that a policy may name, in lower case; `/` at the end: something follows. Global ones (`aws:…`) are not
 * checked by AWS either. A key that a request does not have is simply absent: rows of conditions.ts say what that means.
 * https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html#amazons3-policy-keys
 */
const s3Keys: ReadonlySet<string> = new Set([
  's3:accessgrantsinstancearn',
  's3:accesspointnetworkorigin',
  's3:accesspointtag/',
  's3:authtype',
  's3:buckettag/',
  's3:dataaccesspointaccount',
  's3:dataaccesspointarn',
  's3:delimiter',
  's3:existingobjecttag/',
  's3:if-match',
  's3:if-none-match',
  's3:inventoryaccessibleoptionalfields',
  's3:isreplicationpauserequest',
  's3:locationconstraint',
  's3:max-keys',
  's3:object-lock-legal-hold',
  's3:object-lock-mode',
  's3:object-lock-remaining-retention-days',
  's3:object-lock-retain-until-date',
  's3:objectcreationoperation',
  's3:prefix',
  's3:requestobjecttag/',
  's3:requestobjecttagkeys',
  's3:resourceaccount',
  's3:signatureage',
  's3:signatureversion',
  's3:tlsversion',
  's3:versionid',
  's3:x-amz-acl',
  's3:x-amz-content-sha256',
  's3:x-amz-copy-source',
  's3:x-amz-grant-full-control',
  's3:x-amz-grant-read',
  's3:x-amz-grant-read-acp',
  's3:x-amz-grant-write',
  's3:x-amz-grant-write-acp',
  's3:x-amz-metadata-directive',
  's3:x-amz-object-ownership',
  's3:x-amz-server-side-encryption',
  's3:x-amz-server-side-encryption-aws-kms-key-id',
  's3:x-amz-server-side-encryption-customer-algorithm',
  's3:x-amz-storage-class',
  's3:x-amz-website-redirect-location',
])

/** A mistyped key would make an Allow useless and, worse, a Deny. */
export function isConditionKey(key: string): boolean {
  const lower = key.toLowerCase()
  if (/^aws:./.test(lower)) return true
  const slash = lower.indexOf('/')
  return s3Keys.has(slash < 0 ? lower : lower.slice(0, slash + 1)) && !lower.endsWith('/')
}
