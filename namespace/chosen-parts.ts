import { createHash } from 'node:crypto'
import { combineCrcs } from './crc-combine.ts'
import { digestsOf } from './digests.ts'
import { NamespaceError } from './errors.ts'
import type { StoredPart, UploadDocument } from './upload-store.ts'
import type { Checksum, ChecksumAlgorithm, ChecksumType, CompletePart, Precondition, Retention } from './verbs.ts'

export type CompleteOptions = {
  readonly precondition?: Precondition | undefined
  readonly sizeBytes?: number | undefined
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly value: string } | undefined
  readonly checksumType?: ChecksumType | undefined
  readonly defaultRetention?: Retention | undefined
}

/** The parts that make the object, each with its place in it, and what S3 says of the whole. */
export type Chosen = {
  readonly parts: readonly (StoredPart & { readonly offset: number })[]
  readonly sizeBytes: number
  readonly eTag: string
  readonly checksum: Checksum | undefined
}

/** Every part but the last (P-155). */
const partBytesMin = 5 * 1024 * 1024

/**
 * What a Complete asks for, held against what was uploaded. Pure.
 * Throws InvalidPart, InvalidPartOrder, EntityTooSmall, InvalidRequest, BadDigest (P-155, P-156, P-083 to P-086).
 */
export function choose(
  stored: readonly StoredPart[],
  wanted: readonly CompletePart[],
  upload: Pick<UploadDocument, 'checksum'>,
  options: CompleteOptions,
): Chosen {
  if (wanted.length === 0) {
    throw new NamespaceError('InvalidRequest', { message: 'You must specify at least one part' })
  }
  requireAscending(wanted)
  const last = lastOfEach(wanted)
  const byNumber = new Map(stored.map((part) => [part.partNumber, part]))
  let offset = 0
  const parts = last.map((want, index) => {
    const part = requirePart(byNumber.get(want.partNumber), want, upload)
    if (index < last.length - 1 && part.sizeBytes < partBytesMin) throw tooSmall(part)
    const placed = { ...part, offset }
    offset += part.sizeBytes
    return placed
  })
  if (options.sizeBytes !== undefined && options.sizeBytes !== offset) {
    throw new NamespaceError('InvalidRequest', {
      message: `The provided 'x-amz-mp-object-size' header value ${options.sizeBytes} does not match what was computed: ${offset}`,
    })
  }
  const checksum = checksumOf(parts, upload, options)
  requireChecksum(checksum, options)
  return { parts, sizeBytes: offset, eTag: multipartETag(parts), checksum }
}

function requireAscending(wanted: readonly CompletePart[]): void {
  let before = 0
  for (const { partNumber } of wanted) {
    if (partNumber < before) throw new NamespaceError('InvalidPartOrder')
    before = partNumber
  }
}

/** A number given twice in a row: the later one counts, as the later upload does (P-159; the public suite sends such lists). */
const lastOfEach = (wanted: readonly CompletePart[]): readonly CompletePart[] =>
  wanted.filter((want, index) => wanted[index + 1]?.partNumber !== want.partNumber)

function requirePart(
  part: StoredPart | undefined,
  want: CompletePart,
  upload: Pick<UploadDocument, 'checksum'>,
): StoredPart {
  const invalid = new NamespaceError('InvalidPart', { ETag: want.eTag, PartNumber: want.partNumber })
  if (part === undefined || part.eTag !== want.eTag) throw invalid
  const given = Object.entries(want.checksums)
  if (given.some(([algorithm, value]) => algorithm !== part.checksum?.algorithm || value !== part.checksum.value))
    throw invalid
  if (upload.checksum?.type === 'COMPOSITE' && given.length === 0) {
    const algorithm = upload.checksum.algorithm.toLowerCase()
    throw new NamespaceError('InvalidRequest', {
      message: `The upload was created using a ${algorithm} checksum. The complete request must include the checksum for each part. It was missing for part ${want.partNumber} in the request.`,
    })
  }
  return part
}

const tooSmall = (part: StoredPart): NamespaceError =>
  new NamespaceError('EntityTooSmall', {
    ProposedSize: part.sizeBytes,
    MinSizeAllowed: partBytesMin,
    PartNumber: part.partNumber,
    ETag: part.eTag,
  })

/** MD5 of the parts' binary MD5s, `-` and their number (P-154). */
function multipartETag(parts: readonly StoredPart[]): string {
  const hash = createHash('md5')
  for (const { eTag } of parts) hash.update(eTag, 'hex')
  return `${hash.digest('hex')}-${parts.length}`
}

const isCrc = (algorithm: ChecksumAlgorithm): algorithm is 'CRC32' | 'CRC32C' | 'CRC64NVME' =>
  algorithm.startsWith('CRC')

function checksumOf(
  parts: readonly StoredPart[],
  upload: Pick<UploadDocument, 'checksum'>,
  options: CompleteOptions,
): Checksum | undefined {
  // Without one, AWS keeps a CRC64NVME of the whole (P-080).
  const { algorithm, type } = upload.checksum ?? { algorithm: 'CRC64NVME', type: 'FULL_OBJECT' }
  if (options.checksumType !== undefined && options.checksumType !== type) {
    throw new NamespaceError('InvalidRequest', {
      message: `The upload was created using the ${type} checksum mode. The complete request must use the same checksum mode.`,
    })
  }
  const values = parts.flatMap((part) =>
    part.checksum?.algorithm === algorithm ? [Buffer.from(part.checksum.value, 'base64')] : [],
  )
  if (values.length !== parts.length) return undefined
  if (type === 'COMPOSITE') {
    const digest = digestsOf([algorithm], Buffer.concat(values))[algorithm]
    return digest && { algorithm, type, value: `${digest.toString('base64')}-${parts.length}` }
  }
  if (!isCrc(algorithm)) return undefined
  const pieces = parts.map((part, index) => ({ lengthBytes: part.sizeBytes, value: values[index] ?? Buffer.alloc(0) }))
  return { algorithm, type, value: combineCrcs(algorithm, pieces).toString('base64') }
}

function requireChecksum(actual: Checksum | undefined, { checksum: expected }: CompleteOptions): void {
  if (expected === undefined) return
  // A composite value may be given with or without its number of parts.
  const same = actual?.value === expected.value || actual?.value.replace(/-\d+$/, '') === expected.value
  if (actual?.algorithm !== expected.algorithm || !same) {
    throw new NamespaceError('BadDigest', {
      message: `The ${expected.algorithm} you specified did not match the calculated checksum.`,
    })
  }
}
