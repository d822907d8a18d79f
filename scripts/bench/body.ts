/** The bytes of every object of a run: the same in all processes, so that digests can be computed before. */
export function fillerBody(sizeBytes: number): Buffer {
  return Buffer.alloc(sizeBytes, 'All bytes of a benchmark are equal, and none is compressed on the way.\n')
}
