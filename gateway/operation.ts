/**
 * An operation is a value: everything the gateway knows of it stands in its file, and nothing else lists operations but
 * operations/index.ts. router.ts finds it by `match`, authorize.ts asks for `action`, metrics and logs use `name`,
 * xml.ts reads the body by `body`, `run` does the work.
 */

import type { Static, TSchema } from 'typebox'
import type { Directory, Identity, SealedTokens, SessionCredentials } from '#auth'
import type { Namespace } from '#namespace'
import type { Access, Resource } from './access.ts'
import type { FormCredentials, FormUpload } from './admit-form.ts'
import type { ObjectBody } from './body/pipeline.ts'
import type { UploadForm } from './body/upload-form.ts'
import type { S3Config } from './config.ts'
import type { GatewayCode } from './gateway-error.ts'
import type { Reply } from './reply.ts'
import type { S3Headers, S3Query, Scope } from './s3-request.ts'
import type { AskedSession } from './start-session.ts'

export type Method = 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE' | 'OPTIONS'

export type Match = {
  readonly method: Method
  readonly on: Scope
  /** Query parameters that must be there; `list-type=2` asks for a value too. More of them = more specific. */
  readonly query?: readonly string[]
  /** Headers that must be there. */
  readonly headers?: readonly string[]
}

/** What `run` gets. `bucket` and `key` are decoded and '' where the scope has none. */
export type Call<Body = undefined> = {
  readonly bucket: string
  readonly key: string
  readonly query: S3Query
  readonly headers: S3Headers
  /** The parsed XML body, where the operation has a `body`. */
  readonly body: Body
  /** The whole body, verified, where the operation has a `text`; else ''. */
  readonly text: string
  /** The object bytes, decoded and verified as they are read; for operations without a `body`. */
  readonly bytes: ObjectBody
  /** The fields of a browser's upload form, read; instead of `bytes`. */
  readonly readForm: () => Promise<UploadForm>
  /**
   * For the one operation whose credentials stand in its body, so that nobody is known before `run`: authenticates the form and authorizes
   * what it asks for. Answers what the sender may work with.
   */
  readonly admitForm: (credentials: FormCredentials) => Promise<FormUpload>
  /** Trades a password for temporary credentials. */
  readonly startSession: (asked: AskedSession) => Promise<SessionCredentials>
  /** Bound to the caller. */
  readonly namespace: Namespace
  /** undefined: anonymous. */
  readonly identity: Identity | undefined
  /** For what the request itself does not name. */
  readonly access: Access
  /** For the audit, where one of many things failed that the request asks for: `resource` as `access` was asked about it, S3's code. */
  readonly failed: (resource: Resource, code: string) => void
  /** For grants, which name users by id or e-mail address, and for whose the files of file users are. */
  readonly directory: Pick<Directory, 'findByCanonicalId' | 'findByEmail' | 'findByUid'>
  readonly s3: S3Config
  /** For continuation tokens. */
  readonly tokens: SealedTokens
  readonly requestId: string
  readonly now: Date
  /** `https://host:port` as the client reached us, for Location. */
  readonly endpoint: string
}

type BodyOf<Shape> = Shape extends TSchema ? Static<Shape> : undefined

export type Operation<Shape extends TSchema | undefined = TSchema | undefined> = {
  /** AWS's name, e.g. PutBucketTagging. */
  readonly name: string
  /** Whose API it is of. Default: S3's. Another service has its own error documents, and signatures for it may name it. */
  readonly service?: 'sts'
  readonly match: Match
  /** e.g. s3:PutBucketTagging; undefined where anybody may call it (OPTIONS) or `run` asks itself. */
  readonly action: string | undefined
  /** What a header asks for besides `action`, of the object that is to come: header → action. */
  readonly actionsByHeader?: Readonly<Record<string, string>>
  /** The keys stand in the body: `run` asks `call.access` for each. Bucket and expected owner are looked at before. */
  readonly asksPerKey?: true
  /** `optional`: an empty body is `undefined` instead of MalformedXML. */
  readonly body?: {
    readonly root: string
    readonly shape: Shape
    readonly optional?: boolean
    readonly maxBytes?: number
    /** x-amz-checksum-* of the request speaks of the object, not of this body: CompleteMultipartUpload. */
    readonly checksumOfObject?: boolean
  }
  /** Instead of `body`, where the body is no XML: UTF-8 as the client sent it, and what is thrown for bytes that are not. */
  readonly text?: { readonly maxBytes: number; readonly malformed: GatewayCode }
  run(call: Call<BodyOf<Shape>>): Promise<Reply>
}

export function defineOperation<Shape extends TSchema | undefined = undefined>(operation: Operation<Shape>): Operation {
  // One place forgets the body's type: the router hands every operation a body that its own schema has validated.
  return operation as unknown as Operation
}
