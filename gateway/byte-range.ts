/**
 * Which bytes of an object a request wants: Range, partNumber, x-amz-copy-source-range.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, RFC 9110 section 14
 */

import parse from 'range-parser'
import { GatewayError } from './gateway-error.ts'

export type ByteRange = { readonly offset: number; readonly lengthBytes: number }

type Sized = {
  readonly sizeBytes: number
  readonly parts: readonly { readonly partNumber: number; readonly sizeBytes: number }[] | undefined
}

const PART_NUMBER_MAX = 10_000

/**
 * undefined = the whole object with 200: no header, or one that S3 ignores (P-122). Throws InvalidRange (416) for a range that
 * is well-formed and beyond the object (P-121), any range on an empty object included (P-123).
 */
export function parseRange(header: string | undefined, sizeBytes: number): ByteRange | undefined {
  const range = header === undefined ? null : /^bytes=(?:(\d+)-(\d*)|-(\d+))$/i.exec(header.trim())
  if (header === undefined || range === null) return undefined
  const [, first, last, suffix] = range
  if (first !== undefined && last !== undefined && last !== '' && Number(last) < Number(first)) return undefined
  // range-parser counts "-n" back from the end and drops what begins before 0; S3 answers the whole object then.
  if (suffix !== undefined && Number(suffix) >= sizeBytes && sizeBytes > 0) return { offset: 0, lengthBytes: sizeBytes }
  const found = parse(sizeBytes, header.trim())
  const only = Array.isArray(found) ? found[0] : undefined
  if (only === undefined) {
    throw new GatewayError('InvalidRange', {
      RangeRequested: header,
      ActualObjectSize: sizeBytes,
      'Content-Range': `bytes */${sizeBytes}`,
    })
  }
  return { offset: only.start, lengthBytes: only.end - only.start + 1 }
}

/** `{ offset: 0, lengthBytes: 8 }` of 10 → `bytes 0-7/10` */
export function contentRange(range: ByteRange, sizeBytes: number): string {
  return `bytes ${range.offset}-${range.offset + range.lengthBytes - 1}/${sizeBytes}`
}

/**
 * x-amz-copy-source-range: exactly `bytes=a-b` (P-162). Answers a function of the source's size, so that a malformed header is
 * refused before the source is opened. Without a header: the whole.
 */
export function parseCopyRange(header: string | undefined): (sizeBytes: number) => ByteRange {
  if (header === undefined) return (sizeBytes) => ({ offset: 0, lengthBytes: sizeBytes })
  const range = /^bytes=(\d+)-(\d+)$/.exec(header)
  const first = Number(range?.[1])
  const last = Number(range?.[2])
  if (range === null || last < first) {
    throw new GatewayError('InvalidArgument', {
      message:
        'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy',
      ArgumentName: 'x-amz-copy-source-range',
      ArgumentValue: header,
    })
  }
  return (sizeBytes) => {
    if (first >= sizeBytes) {
      throw new GatewayError('InvalidRequest', {
        message: 'The specified copy range is invalid for the source object size',
      })
    }
    if (last >= sizeBytes) {
      throw new GatewayError('InvalidArgument', {
        message: `Range specified is not valid for source object of size: ${sizeBytes}`,
        ArgumentName: 'x-amz-copy-source-range',
        ArgumentValue: header,
      })
    }
    return { offset: first, lengthBytes: last - first + 1 }
  }
}

/** `partNumber` of a query: 1 … 10,000, undefined when absent. Throws InvalidArgument (P-156); InvalidRequest beside a Range (P-124). */
export function parsePartNumber(value: string | undefined, range?: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const partNumber = /^\d{1,5}$/.test(value) ? Number(value) : 0
  if (partNumber < 1 || partNumber > PART_NUMBER_MAX) {
    throw new GatewayError('InvalidArgument', {
      message: `Part number must be an integer between 1 and ${PART_NUMBER_MAX}, inclusive`,
      ArgumentName: 'partNumber',
      ArgumentValue: value,
    })
  }
  if (range !== undefined) {
    throw new GatewayError('InvalidRequest', {
      message: 'Cannot specify both Range header and partNumber query parameter',
    })
  }
  return partNumber
}

/**
 * Where a part lies in its object; an object of a single PUT has one, itself (P-212). Throws InvalidPartNumber (416, P-124).
 * Parts count by their place: Complete may have left out numbers, and AWS numbers what is there from 1.
 */
export function partRange(partNumber: number, { sizeBytes, parts }: Sized): ByteRange {
  const sizes = parts?.map((part) => part.sizeBytes) ?? [sizeBytes]
  const lengthBytes = sizes[partNumber - 1]
  if (lengthBytes === undefined) {
    throw new GatewayError('InvalidPartNumber', { PartNumberRequested: partNumber, ActualPartCount: sizes.length })
  }
  return { offset: sizes.slice(0, partNumber - 1).reduce((sum, size) => sum + size, 0), lengthBytes }
}
