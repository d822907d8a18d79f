/**
 * Conditional requests: the If-* headers of reads, writes, deletes and copy sources (RFC 9110 section 13, with S3's errors).
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
 *
 * Where AWS answers 501 to a conditional write that makes sense (If-Match: *, If-None-Match: ETag, size and time conditions of
 * DELETE), it is given its plain HTTP meaning: no client can depend on a 501. Both headers on a write stay 501 (P-138, P-208).
 */

import type { ObjectStat, Precondition } from '#namespace'
import { GatewayError } from './gateway-error.ts'
import type { S3Headers } from './s3-request.ts'

/**
 * Conditions of GET and HEAD, in RFC 9110's order (P-125, P-126). Throws PreconditionFailed (412) with the Condition, or
 * NotModified (304), whose `detail` holds the headers that a 304 repeats (P-019).
 */
export function checkRead(headers: S3Headers, stat: ObjectStat): void {
  const failed = firstFailure(headers, stat, '')
  if (failed === undefined) return
  if (failed.isRead) throw notModified(stat)
  throw preconditionFailed(failed.condition)
}

/** x-amz-copy-source-if-*: the same order, but always 412, never 304, and the Condition in AWS's capitals (P-143). */
export function checkCopySource(headers: S3Headers, stat: ObjectStat): void {
  const failed = firstFailure(headers, stat, 'x-amz-copy-source-')
  if (failed !== undefined) throw preconditionFailed(`x-amz-copy-source-${failed.condition}`)
}

/** If-Match / If-None-Match of PutObject, CopyObject and CompleteMultipartUpload; undefined = unconditional. */
export function writePrecondition(headers: S3Headers, key: string): Precondition | undefined {
  const ifMatch = headers.get('if-match')
  const ifNoneMatch = headers.get('if-none-match')
  if (ifMatch !== undefined && ifNoneMatch !== undefined) {
    throw new GatewayError('NotImplemented', {
      Header: 'If-Match,If-None-Match',
      additionalMessage: 'Multiple conditional request headers present in the request',
    })
  }
  if (ifMatch !== undefined) return mustMatch(ifMatch, key)
  if (ifNoneMatch === undefined) return undefined
  return (current) => {
    if (current !== undefined && matches(ifNoneMatch, current.eTag)) throw preconditionFailed('If-None-Match')
  }
}

/** If-Match, x-amz-if-match-size, x-amz-if-match-last-modified-time of DeleteObject; undefined = unconditional (P-149, P-209). */
export function deletePrecondition(headers: S3Headers, key: string): Precondition | undefined {
  const size = headers.get('x-amz-if-match-size')
  const time = headers.get('x-amz-if-match-last-modified-time')
  return removalPrecondition(key, headers.get('if-match'), size === undefined ? undefined : parseSize(size), time)
}

/** The same for one entry of DeleteObjects (P-209). */
export function entryPrecondition(
  entry: { readonly ETag?: string; readonly Size?: number; readonly LastModifiedTime?: string },
  key: string,
): Precondition | undefined {
  return removalPrecondition(key, entry.ETag, entry.Size, entry.LastModifiedTime)
}

function removalPrecondition(
  key: string,
  eTag: string | undefined,
  sizeBytes: number | undefined,
  time: string | undefined,
): Precondition | undefined {
  if (eTag === undefined && sizeBytes === undefined && time === undefined) return undefined
  const seconds = time === undefined ? undefined : parseTime(time)
  return (current, isHidden = false) => {
    // A delete marker is the current version, and has nothing that could match (P-209).
    if (isHidden) {
      const other = sizeBytes === undefined ? 'x-amz-if-match-last-modified-time' : 'x-amz-if-match-size'
      throw preconditionFailed(eTag === undefined ? other : 'If-Match')
    }
    // An absent key is 404 for If-Match, `*` included, as AWS answers (delete-object.test.ts has the evidence). Size and time are no conditions of AWS's for these buckets: with nothing to
    // compare they hold, and deleting what is not there is no error, as the public suite has it.
    if (current === undefined) {
      if (eTag === undefined) return
      throw new GatewayError('NoSuchKey', { Key: key })
    }
    if (eTag !== undefined && !matches(eTag, current.eTag)) throw preconditionFailed('If-Match')
    if (sizeBytes !== undefined && sizeBytes !== current.sizeBytes) throw preconditionFailed('x-amz-if-match-size')
    if (seconds !== undefined && seconds !== secondsOf(current.lastModified)) {
      throw preconditionFailed('x-amz-if-match-last-modified-time')
    }
  }
}

/** A missing key is 404, a wrong ETag 412 (P-138). */
function mustMatch(ifMatch: string, key: string): Precondition {
  return (current) => {
    if (current === undefined) throw new GatewayError('NoSuchKey', { Key: key })
    if (!matches(ifMatch, current.eTag)) throw preconditionFailed('If-Match')
  }
}

/**
 * The first condition that does not hold. If-Unmodified-Since counts only without If-Match, If-Modified-Since only without
 * If-None-Match: the ETag is the stronger word (RFC 9110 13.2.2). Dates that cannot be read are ignored (P-127).
 */
function firstFailure(
  headers: S3Headers,
  stat: ObjectStat,
  prefix: string,
): { readonly condition: string; readonly isRead: boolean } | undefined {
  const ifMatch = headers.get(`${prefix}if-match`)
  const unmodifiedSince = dateOf(headers.get(`${prefix}if-unmodified-since`))
  const ifNoneMatch = headers.get(`${prefix}if-none-match`)
  const modifiedSince = dateOf(headers.get(`${prefix}if-modified-since`))
  const modified = secondsOf(stat.lastModified)
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, stat.eTag)) return { condition: 'If-Match', isRead: false }
  } else if (unmodifiedSince !== undefined && modified > unmodifiedSince) {
    return { condition: 'If-Unmodified-Since', isRead: false }
  }
  if (ifNoneMatch !== undefined) {
    if (matches(ifNoneMatch, stat.eTag)) return { condition: 'If-None-Match', isRead: true }
  } else if (modifiedSince !== undefined && modified <= modifiedSince && modifiedSince <= nowSeconds()) {
    return { condition: 'If-Modified-Since', isRead: true }
  }
  return undefined
}

/** A list of ETags with or without quotes, weak or strong, or `*` (P-125). */
function matches(list: string, eTag: string): boolean {
  return list.split(',').some((item) => {
    const token = item
      .trim()
      .replace(/^W\//, '')
      .replace(/^"(.*)"$/, '$1')
    return token === '*' || token === eTag
  })
}

function preconditionFailed(condition: string): GatewayError {
  return new GatewayError('PreconditionFailed', { Condition: condition })
}

function notModified(stat: ObjectStat): GatewayError {
  return new GatewayError('NotModified', {
    ETag: `"${stat.eTag}"`,
    'Last-Modified': stat.lastModified.toUTCString(),
    'x-amz-version-id': stat.versionId,
  })
}

function secondsOf(date: Date): number {
  return Math.floor(date.getTime() / 1000)
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000)
}

function dateOf(text: string | undefined): number | undefined {
  const milliseconds = text === undefined ? Number.NaN : Date.parse(text)
  return Number.isNaN(milliseconds) ? undefined : Math.floor(milliseconds / 1000)
}

function parseTime(text: string): number {
  const seconds = dateOf(text)
  if (seconds === undefined) throw invalidArgument('x-amz-if-match-last-modified-time', text)
  return seconds
}

function parseSize(text: string): number {
  if (!/^\d{1,16}$/.test(text)) throw invalidArgument('x-amz-if-match-size', text)
  return Number(text)
}

function invalidArgument(name: string, value: string): GatewayError {
  return new GatewayError('InvalidArgument', { ArgumentName: name, ArgumentValue: value })
}
