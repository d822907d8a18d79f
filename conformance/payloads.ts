/** Objects whose every claim can be checked: who has the bytes knows what length, ETag and checksum must come with them. */
import type { Answer } from './connection.ts'
import type { FastClient } from './fast-client.ts'
import { crc32Of, md5, multipartETag, randomBytesOf } from './random.ts'

/** Bytes, and what S3 must say of them when they were put in one piece. Several have the same length, so that it gives nothing away. */
export type Payload = { readonly bytes: Buffer; readonly md5: string; readonly crc32: string }

/** What one write puts there: x-amz-meta-id names it. */
export type Version = { readonly id: string; readonly payload: Payload; readonly eTag: string }

export function payloadOf(seed: number, sizeBytes: number): Payload {
  const bytes = randomBytesOf(seed, sizeBytes)
  return { bytes, md5: md5(bytes).toString('hex'), crc32: crc32Of(bytes) }
}

const PART_BYTES = 5 * 1024 * 1024

/** As `putInParts` cuts them: the smallest that S3 allows, and what is left. */
export function partsOf({ bytes }: Payload): readonly Buffer[] {
  return [bytes.subarray(0, PART_BYTES), bytes.subarray(PART_BYTES)].filter(({ length }) => length > 0)
}

export const versionInOnePiece = (id: string, payload: Payload): Version => ({ id, payload, eTag: payload.md5 })

export const versionInParts = (id: string, payload: Payload): Version => ({
  id,
  payload,
  eTag: multipartETag(partsOf(payload)),
})

export function put(client: FastClient, target: string, { id, payload }: Version): Promise<Answer> {
  const headers = { 'x-amz-meta-id': id, 'x-amz-checksum-crc32': payload.crc32 }
  return client.send({ method: 'PUT', target, headers, body: payload.bytes })
}

/** A multipart upload with a full-object checksum. The answer is that of CompleteMultipartUpload, or of the step that failed. */
export async function putInParts(client: FastClient, target: string, { id, payload }: Version): Promise<Answer> {
  const headers = {
    'x-amz-meta-id': id,
    'x-amz-checksum-algorithm': 'CRC32',
    'x-amz-checksum-type': 'FULL_OBJECT',
  }
  const created = await client.send({ method: 'POST', target: `${target}?uploads`, headers })
  if (created.status !== 200) return created
  const uploadId = /<UploadId>([^<]+)</.exec(created.text)?.[1] ?? ''
  const sent = await Promise.all(
    partsOf(payload).map(async (bytes, index) => ({
      crc32: crc32Of(bytes),
      answer: await client.send({
        method: 'PUT',
        target: `${target}?partNumber=${index + 1}&uploadId=${uploadId}`,
        headers: { 'x-amz-checksum-crc32': crc32Of(bytes) },
        body: bytes,
      }),
    })),
  )
  const failed = sent.find(({ answer }) => answer.status !== 200)
  if (failed !== undefined) return failed.answer
  const parts = sent.map(
    ({ crc32, answer }, index) =>
      `<Part><PartNumber>${index + 1}</PartNumber><ETag>${answer.headers.get('etag')}</ETag><ChecksumCRC32>${crc32}</ChecksumCRC32></Part>`,
  )
  return client.send({
    method: 'POST',
    target: `${target}?uploadId=${uploadId}`,
    headers: { 'x-amz-checksum-crc32': payload.crc32, 'x-amz-checksum-type': 'FULL_OBJECT' },
    body: `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts.join('')}</CompleteMultipartUpload>`,
  })
}

/** A copy of `source` ("/bucket/key") under a new id. */
export function copy(client: FastClient, target: string, source: string, { id }: Version): Promise<Answer> {
  const headers = { 'x-amz-copy-source': source, 'x-amz-metadata-directive': 'REPLACE', 'x-amz-meta-id': id }
  return client.send({ method: 'PUT', target, headers })
}

/** What does not belong together in the answer to a GET or HEAD with x-amz-checksum-mode; undefined when all does. */
export function mismatch(answer: Answer, version: Version | undefined, method: 'GET' | 'HEAD'): string | undefined {
  if (version === undefined) return `an id that nobody has written: ${answer.headers.get('x-amz-meta-id')}`
  const { payload, eTag, id } = version
  const expected: Record<string, string> = {
    'content-length': String(payload.bytes.length),
    etag: `"${eTag}"`,
    'x-amz-checksum-crc32': payload.crc32,
    ...(method === 'GET' ? { md5: payload.md5, bytes: String(payload.bytes.length) } : {}),
  }
  const seen = new Map<string, string>([
    ...answer.headers,
    ['md5', md5(answer.body).toString('hex')],
    ['bytes', String(answer.body.length)],
  ])
  const wrong = Object.entries(expected).filter(([name, value]) => seen.get(name) !== value)
  if (wrong.length === 0) return undefined
  return `${id}: ${wrong.map(([name, value]) => `${name} is ${seen.get(name)}, not ${value}`).join('; ')}`
}

/** The same of a range: its bytes and Content-Range must be of the very version that the other headers name. */
export function rangeMismatch(
  answer: Answer,
  version: Version | undefined,
  from: number,
  to: number,
): string | undefined {
  if (version === undefined) return `an id that nobody has written: ${answer.headers.get('x-amz-meta-id')}`
  const { bytes } = version.payload
  if (answer.headers.get('etag') !== `"${version.eTag}"`) return `${version.id}: ETag ${answer.headers.get('etag')}`
  const last = Math.min(to, bytes.length - 1)
  const contentRange = `bytes ${from}-${last}/${bytes.length}`
  if (answer.headers.get('content-range') !== contentRange)
    return `${version.id}: ${answer.headers.get('content-range')}, not ${contentRange}`
  return answer.body.equals(bytes.subarray(from, last + 1))
    ? undefined
    : `${version.id}: other bytes in ${contentRange}`
}
