import Type from 'typebox'
import { type Namespace, NamespaceError } from '#namespace'
import type { BucketDocuments } from '../bucket-documents.ts'
import { GatewayError } from '../gateway-error.ts'
import { defineOperation } from '../operation.ts'
import type { S3Headers } from '../s3-request.ts'
import { checkBucketName } from './bucket-name.ts'
import { refuseUnsupportedBucketHeaders } from './unsupported-headers.ts'

const CreateBucketConfiguration = Type.Object({ LocationConstraint: Type.Optional(Type.String()) })

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html */
export const createBucket = defineOperation({
  name: 'CreateBucket',
  match: { method: 'PUT', on: 'bucket' },
  action: 's3:CreateBucket',
  body: { root: 'CreateBucketConfiguration', shape: CreateBucketConfiguration, optional: true },
  async run({ bucket, body, headers, identity, namespace, s3 }) {
    if (identity === undefined) throw new GatewayError('AccessDenied')
    checkBucketName(bucket)
    checkLocation(body?.LocationConstraint, s3.region)
    refuseUnsupportedBucketHeaders(headers)
    await createOrFindOwn(namespace, bucket, s3.region, wantsObjectLock(headers) ? lockedDocuments : {})
    return { status: 200, headers: { location: `/${bucket}` } }
  },
})

/** P-181. An endpoint has one region; us-east-1 is the one that must not be named. */
function checkLocation(location: string | undefined, region: string): void {
  if (location === undefined || location === '') return
  if (region === 'us-east-1') throw new GatewayError('InvalidLocationConstraint', { LocationConstraint: location })
  if (location === region) return
  const message = `The ${location} location constraint is incompatible for the region specific endpoint this request was sent to.`
  throw new GatewayError('IllegalLocationConstraintException', { message })
}

/** Object lock comes with versioning, which cannot be suspended any more. */
const lockedDocuments: Partial<BucketDocuments> = { versioning: { status: 'Enabled' }, 'object-lock': {} }

/** Throws InvalidArgument. */
function wantsObjectLock(headers: S3Headers): boolean {
  const given = headers.get('x-amz-bucket-object-lock-enabled') ?? 'false'
  if (/^(?:true|false)$/i.test(given)) return given.toLowerCase() === 'true'
  throw new GatewayError('InvalidArgument', {
    ArgumentName: 'x-amz-bucket-object-lock-enabled',
    ArgumentValue: given,
  })
}

/** P-180: in us-east-1 an owner who creates a bucket again is told that it is there, and nothing changes. */
async function createOrFindOwn(
  namespace: Namespace,
  bucket: string,
  region: string,
  documents: Partial<BucketDocuments>,
): Promise<void> {
  try {
    await namespace.buckets.create(bucket, documents)
  } catch (error) {
    const own = error instanceof NamespaceError && error.code === 'BucketAlreadyOwnedByYou'
    if (!own || region !== 'us-east-1') throw error
  }
}
