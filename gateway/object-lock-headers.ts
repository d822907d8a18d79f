/**
 * x-amz-object-lock-* of PutObject, CopyObject and CreateMultipartUpload.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
 */

import type { Amendable, Retention } from '#namespace'
import { GatewayError } from './gateway-error.ts'
import type { S3Headers } from './s3-request.ts'

export type ObjectLock = Pick<Amendable, 'retention' | 'legalHold'>

/**
 * What they ask for besides s3:PutObject.
 * https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html: the actions of each operation.
 */
export const lockActions = {
  'x-amz-object-lock-mode': 's3:PutObjectRetention',
  'x-amz-object-lock-retain-until-date': 's3:PutObjectRetention',
  'x-amz-object-lock-legal-hold': 's3:PutObjectLegalHold',
} as const

export const retentionModes = ['GOVERNANCE', 'COMPLIANCE'] as const

/** What the headers ask for, absent where they do not. Throws InvalidArgument (P-195). */
export function lockFrom(headers: S3Headers, now: Date): ObjectLock {
  const retention = retentionFrom(headers, now)
  const legalHold = legalHoldFrom(headers)
  return { ...(retention !== undefined && { retention }), ...(legalHold !== undefined && { legalHold }) }
}

function retentionFrom(headers: S3Headers, now: Date): Retention | undefined {
  const given = headers.get('x-amz-object-lock-mode')
  const date = headers.get('x-amz-object-lock-retain-until-date')
  if (given === undefined && date === undefined) return undefined
  if (given === undefined || date === undefined) {
    const missing = given === undefined ? 'x-amz-object-lock-mode' : 'x-amz-object-lock-retain-until-date'
    const message = 'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied'
    throw new GatewayError('InvalidArgument', { message, ArgumentName: missing })
  }
  const mode = retentionModes.find((known) => known === given)
  if (mode === undefined) throw invalid('x-amz-object-lock-mode', given, 'Unknown wormMode directive.')
  const until = parseRetainUntil(date)
  if (until === undefined) {
    const message = 'The retain until date must be provided in ISO 8601 format'
    throw invalid('x-amz-object-lock-retain-until-date', date, message)
  }
  checkFuture(until, now, 'x-amz-object-lock-retain-until-date')
  return { mode, until: until.toISOString() }
}

function legalHoldFrom(headers: S3Headers): boolean | undefined {
  const given = headers.get('x-amz-object-lock-legal-hold')
  if (given === undefined) return undefined
  if (given === 'ON' || given === 'OFF') return given === 'ON'
  throw invalid('x-amz-object-lock-legal-hold', given, "Legal Hold must be either of 'ON' or 'OFF'")
}

const iso8601 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})$/

/** A date with time and zone; undefined where it is none. */
export function parseRetainUntil(text: string): Date | undefined {
  if (!iso8601.test(text)) return undefined
  const date = new Date(text)
  return Number.isNaN(date.getTime()) ? undefined : date
}

/** Throws InvalidArgument: a retention that is over when it begins protects nothing (P-195). */
export function checkFuture(until: Date, now: Date, name: string): void {
  if (until > now) return
  throw invalid(name, until.toISOString(), 'The retain until date must be in the future!')
}

function invalid(name: string, value: string, message: string): GatewayError {
  return new GatewayError('InvalidArgument', { message, ArgumentName: name, ArgumentValue: value })
}
