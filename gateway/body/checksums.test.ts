import { describe, expect, test } from 'vitest'
import { parseS3Request } from '../s3-request.ts'
import { clientChecksum, isChecksum } from './checksums.ts'

const read = (headers: Record<string, string>, announced: string[] = []) =>
  clientChecksum(parseS3Request({ method: 'PUT', rawUrl: '/', headers: Object.entries(headers) }).headers, announced)
const refused = (message: string | RegExp) =>
  expect.objectContaining({
    code: 'InvalidRequest',
    message: typeof message === 'string' ? message : expect.stringMatching(message),
  })

/** Checksums of `hello`. */
const VALUES = {
  CRC32: 'NhCmhg==',
  CRC32C: 'mnG7TA==',
  CRC64NVME: 'M3eFcAZSQlc=',
  SHA1: 'qvTGHdzF6KLavt4PO0gs2a6pQ00=',
  SHA256: 'LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=',
}

describe('P-078: the checksum of a request', () => {
  test.each(Object.entries(VALUES))('%s is read from its header', (algorithm, value) => {
    expect(read({ [`x-amz-checksum-${algorithm.toLowerCase()}`]: value })).toEqual({
      algorithm,
      value,
      trailer: undefined,
    })
  })

  test('or announced in a trailer, or only asked for', () => {
    expect(read({}, ['x-amz-checksum-crc32'])).toEqual({
      algorithm: 'CRC32',
      value: undefined,
      trailer: 'x-amz-checksum-crc32',
    })
    expect(read({ 'x-amz-sdk-checksum-algorithm': 'sha256' })).toEqual({
      algorithm: 'SHA256',
      value: undefined,
      trailer: undefined,
    })
    expect(read({ 'x-amz-checksum-mode': 'ENABLED', 'x-amz-checksum-type': 'COMPOSITE' })).toBeUndefined()
  })

  test('more than one is refused', () => {
    const message = 'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.'
    const two = { 'x-amz-checksum-crc32': VALUES.CRC32, 'x-amz-checksum-sha1': VALUES.SHA1 }
    expect(() => read(two)).toThrow(refused(message))
    expect(() => read({ 'x-amz-checksum-crc32': VALUES.CRC32 }, ['x-amz-checksum-crc32'])).toThrow(refused(message))
  })

  test.each(['bad', '', 'AAAA', 'NhCmhg', 'NhCmhh==', `${VALUES.CRC32} `, VALUES.SHA1])('%j is no CRC32', (value) => {
    expect(() => read({ 'x-amz-checksum-crc32': value })).toThrow(
      refused('Value for x-amz-checksum-crc32 header is invalid.'),
    )
    expect(isChecksum('CRC32', value)).toBe(false)
  })

  test('one that is not the one it says it is', () => {
    expect(() => read({ 'x-amz-checksum-crc32': VALUES.CRC32, 'x-amz-sdk-checksum-algorithm': 'SHA1' })).toThrow(
      refused('Value for x-amz-sdk-checksum-algorithm header is invalid.'),
    )
  })

  test.each(['md5', 'sha512', 'xxhash64', 'xxhash3', 'xxhash128', 'constructor'])(
    'P-079: %s is refused with the list of what there is',
    (name) => {
      const list = refused(/\[CRC32, CRC32C, CRC64NVME, SHA1, SHA256\]/)
      expect(() => read({ [`x-amz-checksum-${name}`]: 'AAAA' })).toThrow(list)
      expect(() => read({ 'x-amz-sdk-checksum-algorithm': name })).toThrow(list)
    },
  )

  test('a trailer that is no checksum is refused', () => {
    expect(() => read({}, ['x-amz-meta-a'])).toThrow(refused(/x-amz-trailer/))
  })
})
