import type { Body, ChecksumAlgorithm } from '#namespace'

/** The object bytes of a request as the namespace takes them: decode → check length → digests → verify. */
export type ObjectBody = Body & {
  /** The algorithm of the checksum the client sent or announced in a trailer, or asked for by x-amz-sdk-checksum-algorithm. */
  readonly checksumAlgorithm: ChecksumAlgorithm | undefined
  /** The same body, keeping this checksum where the client sent none. Default: CRC64NVME, as AWS does (P-080). */
  withChecksum(algorithm: ChecksumAlgorithm): ObjectBody
}
