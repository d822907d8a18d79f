/** What an operation answers; s3-response.ts turns it into HTTP. Request id, Date and Server are added there. */

import type { TSchema } from 'typebox'
import type { OpenObject } from '#namespace'

export type Reply = {
  readonly status: number
  /** Values are Latin-1; undefined ones vanish. */
  readonly headers?: Readonly<Record<string, string | number | undefined>>
  readonly content?: Content
}

export type Content =
  | {
      readonly kind: 'xml'
      readonly root: string
      /** Default: S3's. */
      readonly namespace?: string
      readonly shape: TSchema
      readonly value: unknown
    }
  | { readonly kind: 'text'; readonly type: string; readonly text: string }
  /** `length` bytes from `offset` of an open object, which s3-response.ts closes in every case. HEAD sends the headers only. */
  | { readonly kind: 'object'; readonly object: OpenObject; readonly offset: number; readonly lengthBytes: number }
