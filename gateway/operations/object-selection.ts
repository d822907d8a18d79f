/** What GetObject and HeadObject say of an object: all of it, a range, or a part. */

import type { LifecycleDocument, ObjectStat, ObjectTarget } from '#namespace'
import { type ByteRange, contentRange, parsePartNumber, parseRange, partRange } from '../byte-range.ts'
import { objectHeaders, responseOverrides } from '../headers.ts'
import { lifecycleExpiration } from '../lifecycle-expiration.ts'
import type { Call } from '../operation.ts'
import { checkRead } from '../preconditions.ts'
import type { Reply } from '../reply.ts'
import { checksumHeader } from './checksum-elements.ts'
import { encryptionHeader } from './encryption-header.ts'
import { refuseUnsupportedHeaders } from './unsupported-headers.ts'
import { requestedVersion } from './version-id.ts'

type Selection = {
  readonly status: 200 | 206
  readonly range: ByteRange
  readonly headers: NonNullable<Reply['headers']>
}

/**
 * Reads what the request asks for, before an object is looked up: which object, and how to apply the rest to the object found.
 * Throws InvalidArgument, InvalidRequest and NotImplemented at once; NotModified and PreconditionFailed (P-125 … P-127), InvalidRange
 * and InvalidPartNumber (416, P-121 … P-124) when applied.
 */
export function objectSelection({ bucket, key, query, headers, identity, s3 }: Call): {
  readonly target: ObjectTarget
  /** `lifecycle`: the rules of the bucket, where it has any. */
  readonly select: (stat: ObjectStat, lifecycle: LifecycleDocument | undefined) => Selection
} {
  refuseUnsupportedHeaders(headers, s3)
  const target = { bucket, key, versionId: requestedVersion(query) }
  const rangeHeader = headers.get('range')
  const partNumber = parsePartNumber(query.get('partNumber'), rangeHeader)
  const overrides = responseOverrides(query, identity !== undefined)
  const withChecksum = headers.get('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED'

  const select = (stat: ObjectStat, lifecycle: LifecycleDocument | undefined): Selection => {
    checkRead(headers, stat)
    const part = partNumber === undefined ? undefined : partOf(stat, partNumber)
    const range = part ?? parseRange(rangeHeader, stat.sizeBytes)
    const whole = range === undefined || range.lengthBytes === stat.sizeBytes
    return {
      status: range === undefined ? 200 : 206,
      range: range ?? { offset: 0, lengthBytes: stat.sizeBytes },
      headers: {
        // P-081: the checksum of a whole object says nothing about a piece of it.
        ...objectHeaders(stat, { checksum: withChecksum && whole }),
        ...(withChecksum && partNumber !== undefined ? partChecksum(stat, partNumber) : {}),
        ...encryptionHeader(s3),
        ...overrides,
        'x-amz-mp-parts-count': partNumber === undefined ? undefined : stat.parts?.length, // P-124
        // Of the current version alone: rules of days do not speak of others.
        'x-amz-expiration': target.versionId === undefined ? lifecycleExpiration(lifecycle, stat) : undefined,
        'content-range': range === undefined ? undefined : contentRange(range, stat.sizeBytes),
      },
    }
  }
  return { target, select }
}

/** The one part of an empty object is all of it: no Content-Range can name no bytes. */
function partOf(stat: ObjectStat, partNumber: number): ByteRange | undefined {
  const range = partRange(partNumber, stat)
  return stat.sizeBytes === 0 ? undefined : range
}

/** Each part has a checksum of its own, by the algorithm of the whole. */
function partChecksum({ checksum, parts }: ObjectStat, partNumber: number): Readonly<Record<string, string>> {
  const part = parts?.[partNumber - 1]
  if (checksum === undefined || part?.checksum === undefined) return {}
  return { ...checksumHeader(checksum.algorithm, part.checksum), 'x-amz-checksum-type': checksum.type }
}
