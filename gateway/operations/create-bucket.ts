import Type from 'typebox'
import { isPublicAcl, type ObjectOwnership } from '#auth'
import { type Namespace, NamespaceError } from '#namespace'
import { aclOfHeaders, grantsOf, grantsOthers } from '../acl.ts'
import type { BucketDocuments } from '../bucket-documents.ts'
import { GatewayError } from '../gateway-error.ts'
import { documentsOfNewBucket } from '../new-bucket.ts'
import { type Call, defineOperation } from '../operation.ts'
import type { S3Headers } from '../s3-request.ts'
import { checkBucketName } from './bucket-name.ts'

const CreateBucketConfiguration = Type.Object({ LocationConstraint: Type.Optional(Type.String()) })

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html */
export const createBucket = defineOperation({
  name: 'CreateBucket',
  match: { method: 'PUT', on: 'bucket' },
  action: 's3:CreateBucket',
  body: { root: 'CreateBucketConfiguration', shape: CreateBucketConfiguration, optional: true },
  async run(call) {
    const { bucket, body, headers, identity, namespace, s3 } = call
    if (identity === undefined) throw new GatewayError('AccessDenied')
    checkBucketName(bucket)
    checkLocation(body?.LocationConstraint, s3.region)
    const lock = wantsObjectLock(headers) ? lockedDocuments : {}
    const documents = { ...(await documentsAsked(call, identity)), ...lock }
    await createOrFindOwn(namespace, bucket, s3.region, documents)
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

/**
 * An ACL that gives anything to others needs an ownership that lets it (P-186), and a public one a bucket that is not to be closed.
 * Throws InvalidBucketAclWithObjectOwnership, InvalidBucketAclWithBlockPublicAccessError, InvalidArgument.
 */
async function documentsAsked(
  { headers, directory, s3 }: Pick<Call, 'headers' | 'directory' | 's3'>,
  owner: NonNullable<Call['identity']>,
): Promise<ReturnType<typeof documentsOfNewBucket>> {
  const ownership = ownershipAsked(headers)
  const asked = await aclOfHeaders(headers, directory)
  const grants = asked && grantsOf(asked, { owner })
  if (grants !== undefined && grantsOthers(grants, owner)) {
    if ((ownership ?? s3.objectOwnership) === 'BucketOwnerEnforced') {
      throw new GatewayError('InvalidBucketAclWithObjectOwnership')
    }
    if (isPublicAcl(grants) && (s3.publicAccessBlock || s3.accountPublicAccessBlock)) {
      throw new GatewayError('InvalidBucketAclWithBlockPublicAccessError')
    }
  }
  return documentsOfNewBucket(s3, { ownership, grants })
}

const ownerships: readonly ObjectOwnership[] = ['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter']

function ownershipAsked(headers: S3Headers): ObjectOwnership | undefined {
  const value = headers.get('x-amz-object-ownership')
  const known = ownerships.find((each) => each === value)
  if (value === undefined || known !== undefined) return known
  throw new GatewayError('InvalidArgument', {
    message: `Invalid x-amz-object-ownership header: ${value}`,
    ArgumentName: 'x-amz-object-ownership',
    ArgumentValue: value,
  })
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
