/**
 * Errors as STS tells them: the document of AWS's query protocol, and names of its own for what S3 calls otherwise.
 * https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
 */
import type { GatewayCode } from './gateway-error.ts'
import type { ErrorRow } from './s3-errors.ts'
import { escapeXml } from './xml.ts'

export const STS_NAMESPACE = 'https://sts.amazonaws.com/doc/2011-06-15/'

type StsError = ErrorRow & { readonly code: string }

const invalidToken = {
  code: 'InvalidClientTokenId',
  status: 403,
  message: 'The security token included in the request is invalid.',
}

/** What S3 calls otherwise; their sentences hold whatever S3's say. */
const renamed: Partial<Record<GatewayCode, StsError>> = {
  AuthorizationHeaderMalformed: {
    code: 'IncompleteSignature',
    status: 403,
    message: 'The request signature does not conform to AWS standards.',
  },
  ExpiredToken: {
    code: 'ExpiredToken',
    status: 403,
    message: 'The security token included in the request is expired.',
  },
  InternalError: {
    code: 'InternalFailure',
    status: 500,
    message: 'The request processing has failed because of an unknown error, exception or failure.',
  },
  InvalidAccessKeyId: invalidToken,
  InvalidToken: invalidToken,
  SlowDown: { code: 'ServiceUnavailable', status: 503, message: 'The request has failed due to a temporary failure.' },
}

/** @param message instead of the table's, for a code that has the same name in both */
export function stsError(code: GatewayCode, row: ErrorRow, message: string | undefined): StsError {
  return renamed[code] ?? { code, status: row.status, message: message ?? row.message }
}

/** `<ErrorResponse><Error><Type/><Code/><Message/></Error><RequestId/></ErrorResponse>` */
export function stsErrorXml({ code, status, message }: StsError, requestId: string): string {
  const type = status < 500 ? 'Sender' : 'Receiver'
  const error = `<Type>${type}</Type><Code>${escapeXml(code)}</Code><Message>${escapeXml(message)}</Message>`
  const inner = `<Error>${error}</Error><RequestId>${escapeXml(requestId)}</RequestId>`
  return `<?xml version="1.0" encoding="UTF-8"?>\n<ErrorResponse xmlns="${STS_NAMESPACE}">${inner}</ErrorResponse>`
}
