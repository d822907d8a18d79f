/**
 * Who signed this upload form? Its fields carry what headers carry elsewhere, and the signature is over the policy.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html
 */

import { createHmac } from 'node:crypto'
import { findKey, type KeyOptions } from './access-key.ts'
import { AuthError } from './errors.ts'
import type { Identity } from './identity.ts'
import { checkScope, parseCredential, type ScopeFault } from './sigv4/credential-scope.ts'
import { signatureVersion2 } from './sigv4/header-signature.ts'
import { checkPostPolicy, type FormFields, parsePostPolicy, type SizeRange } from './sigv4/post-policy.ts'
import { sign, signingKey } from './sigv4/signing-key.ts'
import { parseIsoBasic } from './sigv4/timestamp.ts'
import { sameSignature, signatureMismatch } from './sigv4/verify-signature.ts'

export type AuthenticatedForm = {
  /** undefined: the form carries no credentials (P-064). */
  readonly identity: Identity | undefined
  /** undefined: the policy does not say. */
  readonly sizeRange: SizeRange | undefined
}

export type AuthenticateFormOptions = KeyOptions & {
  readonly region: string
  /** The bucket that the request is for. */
  readonly bucket: string
  /** Whether forms signed with version 2 are accepted. */
  readonly signatureVersion2: boolean
}

/**
 * Throws AuthError for every credential that is malformed, unknown or wrong, and for a form that its policy does not allow. The fields are
 * those before the file, with `${filename}` filled in.
 */
export async function authenticateForm(
  fields: FormFields,
  options: AuthenticateFormOptions,
): Promise<AuthenticatedForm> {
  const verify = verifierOf(fields)
  if (verify === undefined) return { identity: undefined, sizeRange: undefined }
  const identity = await verify(fields, options)
  const policy = parsePostPolicy(fieldNamed(fields, 'policy'))
  checkPostPolicy(policy, fields, options.bucket, options.now)
  return { identity, sizeRange: policy.sizeRange }
}

type Verify = (fields: FormFields, options: AuthenticateFormOptions) => Promise<Identity>

/** Any field that nothing else uses: a form that lost its signature is told so (P-064) instead of being anonymous. */
function verifierOf(fields: FormFields): Verify | undefined {
  if (fields.has('awsaccesskeyid') || fields.has('signature')) return verifyVersion2
  const version4 = ['x-amz-signature', 'x-amz-credential', 'x-amz-algorithm', 'policy']
  return version4.some((name) => fields.has(name)) ? verifyVersion4 : undefined
}

async function verifyVersion4(fields: FormFields, options: AuthenticateFormOptions): Promise<Identity> {
  const policy = fieldNamed(fields, 'policy')
  const algorithm = fieldNamed(fields, 'X-Amz-Algorithm')
  const credential = fieldNamed(fields, 'X-Amz-Credential')
  const date = fieldNamed(fields, 'X-Amz-Date')
  const signature = fieldNamed(fields, 'X-Amz-Signature')
  if (algorithm !== 'AWS4-HMAC-SHA256') {
    throw invalidField('X-Amz-Algorithm', algorithm, 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"')
  }
  const fault: ScopeFault = (sentence) =>
    invalidField('X-Amz-Credential', credential, `Error parsing the X-Amz-Credential parameter; ${sentence}`)
  const scope = parseCredential(credential, fault)
  const timestamp = parseIsoBasic(date)
  if (timestamp === undefined) {
    throw invalidField('X-Amz-Date', date, "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
  }
  checkScope(scope, { region: options.region, iso: timestamp.iso }, fault)
  const { secret, identity } = await findKey(scope.accessKeyId, fields.get('x-amz-security-token'), options)
  if (sameSignature(sign(signingKey(secret, scope), policy), signature)) return identity
  throw signatureMismatch({ accessKeyId: scope.accessKeyId, stringToSign: policy, signature })
}

/** Base64 of HMAC-SHA1. Forms outlive the programs that made them, so an administrator may still let these in. */
async function verifyVersion2(fields: FormFields, options: AuthenticateFormOptions): Promise<Identity> {
  if (!options.signatureVersion2) throw signatureVersion2()
  const policy = fieldNamed(fields, 'policy')
  const accessKeyId = fieldNamed(fields, 'AWSAccessKeyId')
  const signature = fieldNamed(fields, 'signature')
  const { secret, identity } = await findKey(accessKeyId, fields.get('x-amz-security-token'), options)
  if (sameSignature(createHmac('sha1', secret).update(policy).digest('base64'), signature)) return identity
  throw signatureMismatch({ accessKeyId, stringToSign: policy, signature })
}

/** Throws InvalidArgument with AWS's sentence where there is none (P-064). */
function fieldNamed(fields: FormFields, name: string): string {
  const value = fields.get(name.toLowerCase())
  if (value !== undefined) return value
  const message = `Bucket POST must contain a field named '${name}'.  If it is specified, please check the order of the fields.`
  throw invalidField(name, '', message)
}

function invalidField(name: string, value: string, message: string): AuthError {
  return new AuthError('InvalidArgument', { message, ArgumentName: name, ArgumentValue: value })
}
