import { fixedAnswerKinds } from './fixed-answers.ts'
import { operations } from './index.ts'

/** Beside the API of the S3 SDKs: STS, what browsers send, and what is posted to the root. */
export const besideTheApi: readonly string[] = [
  'AssumeRoleWithLDAPIdentity',
  'GetCallerIdentity',
  'PostObject',
  'PostService',
  'PreflightRequest',
]

/** Deliberate differences to AWS, by operation. */
export const differences: Readonly<Record<string, string>> = {
  AssumeRoleWithLDAPIdentity: 'STS as MinIO extends it: unsigned, form or query',
  CompleteMultipartUpload: '`If-Match: *` and `If-None-Match: <ETag>` work; AWS answers 501',
  CopyObject: '`If-Match: *` and `If-None-Match: <ETag>` work; AWS answers 501',
  CreateBucket: 'an existing directory is never adopted: 409',
  DeleteObject: 'conditions on size and time work; AWS answers 501 outside directory buckets',
  GetBucketEncryption: 'without `namespace.encrypted_at_rest` 404: nothing claims an encryption that is not there',
  GetBucketPolicyStatus: 'a bucket without a policy is answered, and a public ACL makes it public',
  GetCallerIdentity: 'STS; account and user id are the canonical id; a session shows its user',
  GetObject: 'SSE-C and SSE-KMS are 501',
  GetObjectAttributes: 'lists the parts of every multipart object',
  PutBucketEncryption: 'SSE-S3 with `namespace.encrypted_at_rest`; SSE-KMS is 501',
  PutBucketLifecycleConfiguration:
    'transitions are 501; conditions beside `And` in a filter hold together with it; `x-amz-expiration` counts days of 24 hours',
  PutObject:
    '`If-Match: *` and `If-None-Match: <ETag>` work; SSE-C and SSE-KMS are 501; GLACIER and DEEP_ARCHIVE are refused',
}

/** Markdown, generated: what of AWS's API is there. */
export function supportMatrix(): string {
  const names = [...new Set(operations.map(({ name }) => name))].filter((name) => !besideTheApi.includes(name)).sort()
  const counts = ['implemented', 'fixed answer', '501'].map((kind) => {
    const count = names.filter((name) => kindOf(name) === kind).length
    return `${count} ${kind}`
  })
  const rows = [...names, ...besideTheApi].map((name) => `| ${name} | ${kindOf(name)} | ${differences[name] ?? ''} |`)
  return `# What of S3's API is there

Generated from the table of operations: \`npm run support-matrix\`. Of the ${names.length} operations that the SDKs know: ${counts.join(', ')}.
A *fixed answer* is what AWS answers where nothing is configured; *501* refuses before anything is done. The last rows are no operations of the S3 SDKs.

| operation | | deliberate difference to AWS |
|---|---|---|
${rows.join('\n')}
`
}

function kindOf(name: string): string {
  return fixedAnswerKinds.get(name) ?? 'implemented'
}
