import { GatewayError } from '../gateway-error.ts'
import { type Call, defineOperation } from '../operation.ts'
import type { Scope } from '../s3-request.ts'

/**
 * The browser's question before a cross-origin request (P-198). No bucket has rules yet, so the answer is no. Anybody may ask (P-026).
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

async function answerPreflight({ bucket, headers, namespace }: Call): Promise<never> {
  if (headers.get('origin') === undefined)
    throw new GatewayError('BadRequest', { message: 'Insufficient information. Origin request header needed.' })
  const exists = bucket !== '' && (await namespace.buckets.find(bucket)) !== undefined
  throw new GatewayError('AccessForbidden', {
    message: exists ? 'CORSResponse: CORS is not enabled for this bucket.' : 'CORSResponse: Bucket not found',
    Method: headers.get('access-control-request-method') ?? 'OPTIONS',
    ResourceType: 'BUCKET',
  })
}
