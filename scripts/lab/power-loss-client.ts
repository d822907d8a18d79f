/** One client of a power-loss test: sends a request between two lines of the journal. */
import type { Answer } from '../../conformance/connection.ts'
import type { FastClient, FastRequest } from '../../conformance/fast-client.ts'
import { crc32Of, md5, multipartETag } from '../../conformance/random.ts'
import type { Journal, Operation, Version } from './power-loss-journal.ts'

export const bucket = 'power'
export const versionedBucket = 'power-versions'

export const targetOf = (key: string): string =>
  key.startsWith('bucket:')
    ? `/${key.slice('bucket:'.length)}`
    : `/${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`

/** The answer when the operation took effect; undefined when it was refused, or nobody knows. */
export async function carryOut(
  client: FastClient,
  journal: Journal,
  operation: Operation,
  request: FastRequest,
): Promise<Answer | undefined> {
  const { id } = operation
  journal.write({ at: 'about', operation })
  let answer: Answer
  try {
    answer = await client.send(request)
  } catch (error) {
    journal.write({ at: 'unanswered', id, why: String(error) })
    return undefined
  }
  const { status, code } = answer
  if (status >= 500 || (status < 300 && code !== '')) {
    journal.write({ at: 'unanswered', id, why: `${status} ${code}` })
    return undefined
  }
  const uploadId = /<UploadId>([^<]+)</.exec(answer.text)?.[1]
  const versionId = answer.headers.get('x-amz-version-id')
  const told = { ...(uploadId !== undefined && { uploadId }), ...(versionId !== undefined && { versionId }) }
  journal.write({ at: 'answered', id, done: status < 300, ...told })
  return status < 300 ? answer : undefined
}

/** `fill`: bytes of metadata beside the id; all that S3 allows are 2 KB. Some of them are no ASCII, and need two bytes in a record. */
export type Description = { readonly id: string; readonly fill: number; readonly contentType: string }

export function headersOf({ id, fill, contentType }: Description): Record<string, string> {
  const note = fill === 0 ? {} : { 'x-amz-meta-note': `${'é'.repeat(fill - 1)}.` }
  return { 'content-type': contentType, 'x-amz-meta-id': id, ...note }
}

export const metadataOf = (headers: Iterable<readonly [string, string]>): string => {
  const own = [...headers]
    .filter(([name]) => name.startsWith('x-amz-meta-'))
    .sort(([one], [other]) => (one < other ? -1 : 1))
  return md5(Buffer.from(JSON.stringify(own))).toString('hex')
}

export function versionOf(description: Description, bytes: Buffer, parts?: readonly Buffer[]): Version {
  const digest = md5(bytes).toString('hex')
  return {
    id: description.id,
    sizeBytes: bytes.length,
    md5: digest,
    eTag: parts === undefined ? digest : multipartETag(parts),
    crc32: crc32Of(bytes),
    metadata: metadataOf(Object.entries(headersOf(description))),
    contentType: description.contentType,
  }
}

/** Of a bucket only its being there is looked at. */
export const bucketVersion: Version = {
  id: 'bucket',
  sizeBytes: 0,
  md5: '',
  eTag: '',
  crc32: '',
  metadata: '',
  contentType: '',
}
