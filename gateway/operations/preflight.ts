import type { Namespace } from '#namespace'
import { type BucketDocuments, findBucketDocument } from '../bucket-documents.ts'
import { corsHeaders } from '../cors.ts'
import { GatewayError } from '../gateway-error.ts'
import { type Call, defineOperation } from '../operation.ts'
import type { Reply } from '../reply.ts'
import type { Scope } from '../s3-request.ts'

/**
 * The browser's question before a cross-origin request (P-198). Anybody may ask (P-026).
 * https://docs.aws.amazon.com/AmazonS3/latest/API/RESTOPTIONSobject.html
 */
function preflightOn(on: Scope) {
  return defineOperation({
    name: 'PreflightRequest',
    match: { method: 'OPTIONS', on },
    action: undefined,
    run: answerPreflight,
  })
}

export const preflights = [preflightOn('service'), preflightOn('bucket'), preflightOn('object')]

async function answerPreflight({ bucket, headers, namespace }: Call): Promise<Reply> {
  const origin = headers.get('origin')
  if (origin === undefined)
    throw new GatewayError('BadRequest', { message: 'Insufficient information. Origin request header needed.' })
  const method = headers.get('access-control-request-method')
  if (method === undefined || !METHODS.has(method))
    throw new GatewayError('BadRequest', { message: `Invalid Access-Control-Request-Method: ${method ?? 'null'}` })
  const rules = await rulesOf(namespace, bucket, method)
  const requestHeaders = headers.get('access-control-request-headers')
  const allowed = corsHeaders(rules, { origin, method, requestHeaders })
  if (allowed === undefined) throw forbidden(method)
  return { status: 200, headers: allowed }
}

const METHODS: ReadonlySet<string> = new Set(['GET', 'PUT', 'POST', 'DELETE', 'HEAD'])

async function rulesOf(
  namespace: Namespace,
  bucket: string,
  method: string,
): Promise<BucketDocuments['cors']['rules']> {
  const exists = bucket !== '' && (await namespace.buckets.find(bucket)) !== undefined
  if (!exists) throw forbidden(method, 'CORSResponse: Bucket not found')
  const document = await findBucketDocument(namespace, bucket, 'cors')
  if (document === undefined) throw forbidden(method, 'CORSResponse: CORS is not enabled for this bucket.')
  return document.rules
}

function forbidden(method: string, message?: string): GatewayError {
  return new GatewayError('AccessForbidden', {
    ...(message === undefined ? {} : { message }),
    Method: method,
    ResourceType: 'BUCKET',
  })
}
