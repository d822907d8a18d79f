import type { Static, TObject } from 'typebox'
import type { Checksum, ChecksumAlgorithm } from '#namespace'
import type { checksumElements } from '../shapes.ts'

export const checksumAlgorithms: readonly ChecksumAlgorithm[] = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256']

type ChecksumElements = Static<TObject<typeof checksumElements>>

/** `{ ChecksumCRC32: 'NSRBwg==' }`; nothing without a checksum. */
export function checksumElement(algorithm: ChecksumAlgorithm | undefined, value: string | undefined): ChecksumElements {
  return algorithm === undefined || value === undefined ? {} : { [`Checksum${algorithm}`]: value }
}

/** The checksum element with ChecksumType beside it. */
export function typedChecksumElement(checksum: Checksum | undefined): ChecksumElements & { ChecksumType?: string } {
  if (checksum === undefined) return {}
  return { ...checksumElement(checksum.algorithm, checksum.value), ChecksumType: checksum.type }
}

/** The same as headers, for the replies of PutObject and UploadPart. */
export function checksumHeader(
  algorithm: ChecksumAlgorithm | undefined,
  value: string | undefined,
): Readonly<Record<string, string>> {
  return algorithm === undefined || value === undefined ? {} : { [`x-amz-checksum-${algorithm.toLowerCase()}`]: value }
}

/** Throws nothing: undefined for a name that is no algorithm of ours. Case does not matter. */
export function findChecksumAlgorithm(name: string): ChecksumAlgorithm | undefined {
  return checksumAlgorithms.find((algorithm) => algorithm === name.toUpperCase())
}
