/** Errors of the protocol itself: what the gateway refuses before, beside or after the namespace. */

import type { ErrorDetail } from '#namespace'
import type { s3Errors } from './s3-errors.ts'

/** Any code of the table. */
export type GatewayCode = keyof typeof s3Errors

/**
 * Same shape as NamespaceError and AuthError. Elements of `detail` become elements of the XML, those that are header names
 * (`Allow`, `x-amz-…`) headers; `message` replaces the table's sentence.
 */
export class GatewayError extends Error {
  readonly code: GatewayCode
  readonly detail: ErrorDetail

  constructor(code: GatewayCode, detail: ErrorDetail = {}, cause?: unknown) {
    super(detail.message ?? code, cause === undefined ? undefined : { cause })
    this.name = 'GatewayError'
    this.code = code
    this.detail = detail
  }
}
