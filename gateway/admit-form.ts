/**
 * authenticate and authorize, for a form: its credentials come with the body, after both have taken the request for an anonymous one.
 */

import {
  AuthError,
  authenticateForm,
  type Directory,
  type FormFields,
  type Identity,
  type Sessions,
  type SizeRange,
} from '#auth'
import type { Namespace } from '#namespace'
import { type AuthorizeInput, authorize } from './authorize.ts'
import type { S3Config } from './config.ts'
import type { S3Headers } from './s3-request.ts'

/** What the form asks for. */
export type FormCredentials = {
  /** With `${filename}` filled in. */
  readonly fields: FormFields
  readonly key: string
  /** The same in headers, as a PutObject would have them. */
  readonly headers: S3Headers
}

export type FormUpload = {
  /** Bound to whoever signed the form. */
  readonly namespace: Namespace
  /** undefined: nobody did. */
  readonly identity: Identity | undefined
  readonly sizeRange: SizeRange | undefined
}

export type AdmitFormOptions = Pick<AuthorizeInput, 'operation' | 'request' | 'circumstances' | 'decided'> & {
  /** Who the headers say it is. */
  readonly identity: Identity | undefined
  readonly directory: Directory
  readonly sessions: Sessions
  readonly s3: S3Config
  readonly now: Date
  /** Told once the form is known to be theirs, before anything else is decided. */
  readonly actAs: (identity: Identity | undefined) => Namespace
}

/** Throws AuthError, NoSuchBucket. */
export async function admitForm(form: FormCredentials, options: AdmitFormOptions): Promise<FormUpload> {
  const { operation, request, circumstances, decided, directory, sessions, s3, now } = options
  if (options.identity !== undefined) throw twoMechanisms()
  const { bucket } = request
  const accept = { directory, sessions, region: s3.region, now, bucket, signatureVersion2: s3.sigv2Post }
  const { identity, sizeRange } = await authenticateForm(form.fields, accept)
  const namespace = options.actAs(identity)
  await authorize({
    operation: { ...operation, action: 's3:PutObject' },
    request: { ...request, scope: 'object', key: form.key, headers: form.headers },
    identity,
    namespace,
    directory,
    circumstances,
    s3,
    decided,
  })
  return { namespace, identity, sizeRange }
}

/** A signature in the headers is over another kind of body: what it promises of this one, nobody checks. */
function twoMechanisms(): AuthError {
  return new AuthError('InvalidRequest', {
    message: 'The upload by form is authenticated by the fields of the form, not by headers or the query.',
  })
}
