/**
 * The operations whose answer does not depend on anything but the request: features that are not there. A Get of something that nobody
 * can have configured answers what AWS answers where nobody has; what would pretend to do something answers 501. Data, so that one look
 * shows what is missing; a row becomes a file of its own when its feature comes.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
 */

import Type, { type Static, type TSchema } from 'typebox'
import { type GatewayCode, GatewayError } from '../gateway-error.ts'
import { type Call, defineOperation, type Match, type Operation } from '../operation.ts'
import type { Reply } from '../reply.ts'
import { notEncrypted } from './unsupported-headers.ts'
import { xmlReply } from './xml-reply.ts'

/** Throws where the answer is an error. */
type Answer = () => Reply

type FixedAnswer = {
  readonly name: string
  readonly service?: NonNullable<Operation['service']>
  readonly match: Match
  readonly action: string | undefined
  readonly answer: Answer
}

const rows: readonly FixedAnswer[] = [
  // Configuration of a bucket: what "none" looks like (13.1).

  // Of an object.

  // Fixed, well-formed answers (13.2).
  onBucket(
    'GetBucketAccelerateConfiguration',
    'GET',
    'accelerate',
    's3:GetAccelerateConfiguration',
    emptyDocument('AccelerateConfiguration'),
  ),
  onBucket('GetBucketRequestPayment', 'GET', 'requestPayment', 's3:GetBucketRequestPayment', ownerPays),
  onBucket('GetBucketLogging', 'GET', 'logging', 's3:GetBucketLogging', emptyDocument('BucketLoggingStatus')),
  onBucket(
    'GetBucketNotificationConfiguration',
    'GET',
    'notification',
    's3:GetBucketNotification',
    emptyDocument('NotificationConfiguration'),
  ),
  onBucket('GetBucketWebsite', 'GET', 'website', 's3:GetBucketWebsite', refuse('NoSuchWebsiteConfiguration')),
  onBucket('DeleteBucketWebsite', 'DELETE', 'website', 's3:DeleteBucketWebsite', noContent),
  onBucket(
    'GetBucketReplication',
    'GET',
    'replication',
    's3:GetReplicationConfiguration',
    refuse('ReplicationConfigurationNotFoundError'),
  ),
  onBucket('DeleteBucketReplication', 'DELETE', 'replication', 's3:PutReplicationConfiguration', noContent),
  onObject('GetObjectTorrent', 'GET', 'torrent', 's3:GetObjectTorrent', refuse('NoSuchKey')), // P-135
  onObject(
    'RestoreObject',
    'POST',
    'restore',
    's3:RestoreObject',
    refuse('InvalidObjectState', "Restore is not allowed for the object's current storage class"),
  ),
  ...namedConfigurations('Analytics', 'analytics', 'ListBucketAnalyticsConfigurationResult'),
  ...namedConfigurations('Inventory', 'inventory', 'ListInventoryConfigurationsResult'),
  ...namedConfigurations('Metrics', 'metrics', 'ListMetricsConfigurationsResult'),
  ...namedConfigurations(
    'IntelligentTiering',
    'intelligent-tiering',
    'ListBucketIntelligentTieringConfigurationsOutput',
  ),

  // 501 (13.3).
  onBucket('PutBucketAccelerateConfiguration', 'PUT', 'accelerate', 's3:PutAccelerateConfiguration', notImplemented()),
  onBucket('PutBucketReplication', 'PUT', 'replication', 's3:PutReplicationConfiguration', notImplemented()),
  onBucket('PutBucketWebsite', 'PUT', 'website', 's3:PutBucketWebsite', notImplemented()),
  onObject('SelectObjectContent', 'POST', 'select', 's3:GetObject', notImplemented()),
  onBucket('CreateSession', 'GET', 'session', 's3express:CreateSession', notImplemented()),
  onObject('RenameObject', 'PUT', 'renameObject', 's3:PutObject', notImplemented()),
  onObject('UpdateObjectEncryption', 'PUT', 'encryption', 's3:UpdateObjectEncryption', notImplemented(notEncrypted)),
  onBucket('GetBucketAbac', 'GET', 'abac', 's3:GetBucketABAC', notImplemented()),
  onBucket('PutBucketAbac', 'PUT', 'abac', 's3:PutBucketABAC', notImplemented()),
  onObject('PutObjectAnnotation', 'PUT', 'annotation', 's3:PutObjectAnnotation', notImplemented()),
  onObject('ListObjectAnnotations', 'GET', 'annotation', 's3:ListObjectAnnotations', notImplemented()),
  onObject('GetObjectAnnotation', 'GET', ['annotation', 'annotationName'], 's3:GetObjectAnnotation', notImplemented()),
  onObject('DeleteObjectAnnotation', 'DELETE', 'annotation', 's3:DeleteObjectAnnotation', notImplemented()),
  ...metadataConfiguration('BucketMetadataConfiguration', 'metadataConfiguration'),
  ...metadataConfiguration('BucketMetadataTableConfiguration', 'metadataTable'),
  metadataUpdate('Annotation'),
  metadataUpdate('Inventory'),
  metadataUpdate('Journal'),
  {
    name: 'WriteGetObjectResponse',
    match: { method: 'POST', on: 'bucket', headers: ['x-amz-request-route'] },
    action: 's3-object-lambda:WriteGetObjectResponse',
    answer: notImplemented(),
  },
  {
    // The one operation that differs from another by x-id alone.
    name: 'ListDirectoryBuckets',
    match: { method: 'GET', on: 'service', query: ['x-id=ListDirectoryBuckets'] },
    action: 's3express:ListAllMyDirectoryBuckets',
    answer: notImplemented(),
  },

  // No operation of the SDK: IAM and other STS calls that meet us at the root (P-027, P-214).
  {
    name: 'PostService',
    service: 'sts',
    match: { method: 'POST', on: 'service' },
    action: undefined,
    answer: notImplemented(
      'Of IAM and STS there are AssumeRoleWithLDAPIdentity and GetCallerIdentity, both of version 2011-06-15',
    ),
  },
]

/** Puts that say "as it is": accepted where they ask for what holds anyway, 501 otherwise (13.2). */
const acceptedPuts: readonly Operation[] = [
  acceptPut(
    'PutBucketRequestPayment',
    'requestPayment',
    's3:PutBucketRequestPayment',
    { root: 'RequestPaymentConfiguration', shape: Type.Object({ Payer: Type.String() }) },
    ({ Payer }) => Payer === 'BucketOwner', // P-202
  ),
  acceptPut(
    'PutBucketLogging',
    'logging',
    's3:PutBucketLogging',
    { root: 'BucketLoggingStatus', shape: Type.Object({ LoggingEnabled: Type.Optional(Type.Object({})) }) },
    ({ LoggingEnabled }) => LoggingEnabled === undefined,
  ),
  acceptPut(
    'PutBucketNotificationConfiguration',
    'notification',
    's3:PutBucketNotification',
    {
      root: 'NotificationConfiguration',
      shape: Type.Object({
        TopicConfiguration: Type.Array(Type.Object({})),
        QueueConfiguration: Type.Array(Type.Object({})),
        CloudFunctionConfiguration: Type.Array(Type.Object({})),
        EventBridgeConfiguration: Type.Array(Type.Object({})),
      }),
    },
    (asked) => Object.values(asked).every((configurations) => configurations.length === 0),
  ),
]

export const fixedAnswers: readonly Operation[] = [...rows.map(operationOf), ...acceptedPuts]

/** For the support matrix. */
export const fixedAnswerKinds: ReadonlyMap<string, 'fixed answer' | '501'> = new Map([
  ...rows.map(({ name, answer }) => [name, isNotImplemented(answer) ? '501' : 'fixed answer'] as const),
  ...acceptedPuts.map(({ name }) => [name, 'fixed answer'] as const),
])

function isNotImplemented(answer: Answer): boolean {
  try {
    answer()
    return false
  } catch (error) {
    return error instanceof GatewayError && error.code === 'NotImplemented'
  }
}

function operationOf({ name, match, action, answer, ...service }: FixedAnswer): Operation {
  return defineOperation({
    name,
    ...service,
    match,
    action,
    async run(call) {
      await checkThere(match, call)
      return answer()
    },
  })
}

/** What is asked about must be there, before anything is said of it. */
async function checkThere({ on, method }: Match, { bucket, key, namespace }: Call): Promise<void> {
  if (on === 'bucket') await namespace.buckets.read(bucket)
  if (on === 'object' && method !== 'PUT') await namespace.objects.stat({ bucket, key })
}

function onBucket(name: string, method: Match['method'], query: string, action: string, answer: Answer): FixedAnswer {
  return { name, match: { method, on: 'bucket', query: [query] }, action, answer }
}

function onObject(
  name: string,
  method: Match['method'],
  query: string | readonly string[],
  action: string,
  answer: Answer,
): FixedAnswer {
  return { name, match: { method, on: 'object', query: [query].flat() }, action, answer }
}

/** Get and List share a path; Get carries an `id`. */
function namedConfigurations(kind: string, query: string, listRoot: string): readonly FixedAnswer[] {
  const get = `s3:Get${kind}Configuration`
  const put = `s3:Put${kind}Configuration`
  const none = refuse('NoSuchConfiguration')
  return [
    onBucket(`ListBucket${kind}Configurations`, 'GET', query, get, emptyList(listRoot)),
    {
      name: `GetBucket${kind}Configuration`,
      match: { method: 'GET', on: 'bucket', query: [query, 'id'] },
      action: get,
      answer: none,
    },
    onBucket(`PutBucket${kind}Configuration`, 'PUT', query, put, notImplemented()),
    onBucket(`DeleteBucket${kind}Configuration`, 'DELETE', query, put, none),
  ]
}

function metadataConfiguration(name: string, query: string): readonly FixedAnswer[] {
  const action = (verb: string) => `s3:${verb}BucketMetadataTableConfiguration`
  return [
    onBucket(`Create${name}`, 'POST', query, action('Create'), notImplemented()),
    onBucket(`Get${name}`, 'GET', query, action('Get'), notImplemented()),
    onBucket(`Delete${name}`, 'DELETE', query, action('Delete'), notImplemented()),
  ]
}

function metadataUpdate(kind: string): FixedAnswer {
  const name = `UpdateBucketMetadata${kind}TableConfiguration`
  return onBucket(name, 'PUT', `metadata${kind}Table`, `s3:${name}`, notImplemented())
}

function noContent(): Reply {
  return { status: 204 }
}

function ownerPays(): Reply {
  return xmlReply('RequestPaymentConfiguration', Type.Object({ Payer: Type.String() }), { Payer: 'BucketOwner' })
}

function emptyDocument(root: string): Answer {
  return () => xmlReply(root, Type.Object({}), {})
}

function emptyList(root: string): Answer {
  return () => xmlReply(root, Type.Object({ IsTruncated: Type.Boolean() }), { IsTruncated: false })
}

function refuse(code: GatewayCode, message?: string): Answer {
  return () => {
    throw new GatewayError(code, message === undefined ? {} : { message })
  }
}

function notImplemented(message?: string): Answer {
  return refuse('NotImplemented', message)
}

function acceptPut<Shape extends TSchema>(
  name: string,
  query: string,
  action: string,
  body: { readonly root: string; readonly shape: Shape },
  holdsAnyway: (body: Static<Shape>) => boolean,
): Operation {
  return defineOperation<TSchema>({
    name,
    match: { method: 'PUT', on: 'bucket', query: [query] },
    action,
    body,
    async run({ bucket, body, namespace }) {
      await namespace.buckets.read(bucket)
      // The router hands over a body that this very shape has validated.
      if (!holdsAnyway(body as Static<Shape>)) throw new GatewayError('NotImplemented')
      return { status: 200 }
    },
  })
}
