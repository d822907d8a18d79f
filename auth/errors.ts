/** What can go wrong in authentication and authorization, spelled as S3 spells it. gateway/s3-errors.ts maps it to HTTP. */
export type AuthCode =
  | 'AccessDenied'
  | 'AuthorizationHeaderMalformed'
  | 'AuthorizationQueryParametersError'
  | 'ExpiredToken'
  | 'IncompleteBody'
  | 'InvalidAccessKeyId'
  | 'InvalidArgument'
  | 'InvalidPolicyDocument'
  | 'InvalidRequest'
  | 'InvalidToken'
  | 'MalformedPolicy'
  | 'MissingSecurityHeader'
  | 'NotImplemented'
  | 'RequestTimeTooSkewed'
  | 'ServiceUnavailable'
  | 'SignatureDoesNotMatch'

/** Elements beside Code and Message, e.g. `{ Region: 'us-east-1' }`; `message` replaces the table's sentence. */
export type AuthErrorDetail = Readonly<Record<string, string | number | undefined>> & { readonly message?: string }

export class AuthError extends Error {
  readonly code: AuthCode
  readonly detail: AuthErrorDetail

  constructor(code: AuthCode, detail: AuthErrorDetail = {}, options?: ErrorOptions) {
    super(detail.message ?? code, options)
    this.name = 'AuthError'
    this.code = code
    this.detail = detail
  }
}
