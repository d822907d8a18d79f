import { AuthError } from '../errors.ts'

/** `AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request`, taken apart. */
export type CredentialScope = {
  readonly accessKeyId: string
  /** `20130524` */
  readonly date: string
  readonly region: string
  readonly service: string
  /** `20130524/us-east-1/s3/aws4_request`, the second line but one of the string to sign. */
  readonly text: string
}

/** How a fault of the credential is told: header and query have different codes and beginnings. */
export type ScopeFault = (sentence: string, detail?: Readonly<Record<string, string>>) => AuthError

export const headerFault: ScopeFault = (sentence, detail) =>
  new AuthError('AuthorizationHeaderMalformed', {
    message: `The authorization header is malformed; ${sentence}`,
    ...detail,
  })

export const queryFault: ScopeFault = (sentence, detail) =>
  new AuthError('AuthorizationQueryParametersError', {
    message: `Error parsing the X-Amz-Credential parameter; ${sentence}`,
    ...detail,
  })

/**
 * Only the form; `checkScope` looks at what it says. A region may be empty here: the IAM requests that s3-tests sends have
 * none (P-214).
 *
 * Throws the fault for anything but five parts, so for a doubly encoded credential as well (P-052).
 */
export function parseCredential(text: string, fault: ScopeFault): CredentialScope {
  const parts = text.split('/')
  const [accessKeyId = '', date = '', region = '', service = '', terminal = ''] = parts
  if (parts.length !== 5 || accessKeyId === '') {
    throw fault('the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".')
  }
  if (terminal !== 'aws4_request') {
    throw fault(`incorrect terminal "${terminal}". This endpoint uses "aws4_request".`)
  }
  if (!/^\d{8}$/.test(date)) {
    throw fault(`incorrect date format "${date}". This date in the credential must be in the format "yyyyMMdd".`)
  }
  return { accessKeyId, date, region, service, text: `${date}/${region}/${service}/${terminal}` }
}

export type ExpectedScope = {
  readonly region: string
  readonly iso: string
  /** Default: s3 alone. */
  readonly services?: readonly string[] | undefined
}

/** Throws the fault for another service, region (P-036) or day than the request's (P-040). */
export function checkScope(scope: CredentialScope, expected: ExpectedScope, fault: ScopeFault): void {
  const { services = ['s3'] } = expected
  if (!services.includes(scope.service)) {
    throw fault(`incorrect service "${scope.service}". This endpoint belongs to "s3".`)
  }
  if (scope.region !== expected.region) {
    throw fault(`the region '${scope.region}' is wrong; expecting '${expected.region}'`, { Region: expected.region })
  }
  if (!expected.iso.startsWith(scope.date)) {
    throw fault(
      `Invalid credential date "${scope.date}". This date is not the same as X-Amz-Date: "${expected.iso.slice(0, 8)}".`,
    )
  }
}
