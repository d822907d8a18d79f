/** Hashing while writing, hashing what lies there, copying and cloning. */
import { createHash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { expect } from 'vitest'
import type { DigestName } from '../files.ts'
import type { OpenedFiles } from './contract-tree.ts'
import { created, testOnTree } from './contract-tree.ts'

const all: readonly DigestName[] = ['MD5', 'SHA1', 'SHA256', 'CRC32', 'CRC32C', 'CRC64NVME']

function expected(bytes: Uint8Array) {
  const crc = Buffer.alloc(4)
  crc.writeUInt32BE(crc32(bytes))
  return {
    MD5: createHash('md5').update(bytes).digest(),
    SHA1: createHash('sha1').update(bytes).digest(),
    SHA256: createHash('sha256').update(bytes).digest(),
    CRC32: crc,
  }
}

export function bytesContract(open: () => Promise<OpenedFiles>): void {
  const onTree = testOnTree(open)

  onTree('write feeds all digests, in pieces of any size', async ({ files, calls }) => {
    const bytes = randomBytes(1_000_003)
    const descriptor = await created(calls, 'f')
    const hasher = files.createHasher(all)
    let position = 0
    for (const size of [0, 1, 7, 8, 127, 128, 129, 4096, 65_537, 300_000, 1_000_003]) {
      const chunk = bytes.subarray(position, Math.min(bytes.length, position + size))
      await calls.write(descriptor, chunk, position, hasher)
      position += chunk.length
    }
    expect(position).toBe(bytes.length)
    const digests = hasher.digests()
    expect(digests).toMatchObject(expected(bytes))
    const again = files.createHasher(all)
    expect(await calls.hashRange(descriptor, 0, 2_000_000, again)).toBe(bytes.length)
    expect(again.digests()).toEqual(digests)
    const into = Buffer.alloc(bytes.length)
    expect(await calls.read(descriptor, into, 0)).toBe(bytes.length)
    expect(into.equals(bytes)).toBe(true)
    await calls.close(descriptor)
  })

  onTree('known check values come out', async ({ files, calls }) => {
    const descriptor = await created(calls, 'f')
    const hasher = files.createHasher(['CRC64NVME', 'CRC32C', 'CRC32'])
    await calls.write(descriptor, Buffer.from('1234'), 0, hasher)
    await calls.write(descriptor, Buffer.from('56789'), 4, hasher)
    const digests = hasher.digests()
    expect(Object.keys(digests).sort()).toEqual(['CRC32', 'CRC32C', 'CRC64NVME'])
    expect(digests.CRC64NVME?.toString('hex')).toBe('ae8b14860a799888')
    expect(digests.CRC32C?.toString('hex')).toBe('e3069283')
    expect(digests.CRC32?.toString('hex')).toBe('cbf43926')
    await calls.close(descriptor)
  })

  onTree('hashRange hashes a piece of a file and stops at its end', async ({ files, calls }) => {
    const descriptor = await created(calls, 'f', '0123456789')
    const hasher = files.createHasher(['MD5'])
    expect(await calls.hashRange(descriptor, 2, 3, hasher)).toBe(3)
    expect(await calls.hashRange(descriptor, 8, 100, hasher)).toBe(2)
    expect(await calls.hashRange(descriptor, 50, 100, hasher)).toBe(0)
    expect(hasher.digests().MD5).toEqual(createHash('md5').update('23489').digest())
    await calls.close(descriptor)
  })

  onTree('a hasher takes one update at a time and ends once', async ({ files, calls }) => {
    const descriptor = await created(calls, 'f')
    const hasher = files.createHasher(['SHA256'])
    const first = calls.write(descriptor, Buffer.alloc(1 << 20), 0, hasher)
    await expect(calls.write(descriptor, Buffer.from('x'), 0, hasher)).rejects.toThrow('one update at a time')
    expect(() => hasher.digests()).toThrow('one update at a time')
    await first
    expect(hasher.digests().SHA256).toEqual(
      createHash('sha256')
        .update(Buffer.alloc(1 << 20))
        .digest(),
    )
    expect(() => hasher.digests()).toThrow()
    await expect(calls.write(descriptor, Buffer.from('x'), 0, hasher)).rejects.toThrow()
    await calls.close(descriptor)
  })

  onTree('a write that fails feeds nothing and frees the hasher', async ({ files, calls }) => {
    await calls.close(await created(calls, 'f'))
    const reading = await calls.open('f', 'read')
    const hasher = files.createHasher(['MD5'])
    await expect(calls.write(reading, Buffer.from('x'), 0, hasher)).rejects.toMatchObject({ code: 'EBADF' })
    expect(hasher.digests().MD5).toEqual(createHash('md5').digest())
    await calls.close(reading)
  })

  onTree('copyRange copies what was asked for, aligned or not, and stops where the source ends', async ({ calls }) => {
    const bytes = randomBytes(3 * 1024 * 1024 + 17)
    const source = await created(calls, 'source', bytes)
    for (const [from, to, length] of [
      [0, 0, bytes.length],
      [4096, 8192, 1 << 20],
      [1, 3, 2_000_000],
      [3_000_000, 5, 10_000_000],
      [bytes.length, 0, 5],
      [5, 5, 0],
    ] as const) {
      const target = await created(calls, 'target')
      const copied = await calls.copyRange(source, from, target, to, length)
      const wanted = bytes.subarray(from, from + length)
      expect(copied).toBe(wanted.length)
      const into = Buffer.alloc(wanted.length + 10)
      expect(await calls.read(target, into, to)).toBe(wanted.length)
      expect(into.subarray(0, wanted.length).equals(wanted)).toBe(true)
      await calls.close(target)
      await calls.unlink('target')
    }
    await calls.close(source)
  })

  onTree('copyRange takes lengths and offsets beyond 4 GiB, and more than one turn of its loop', async ({ calls }) => {
    const source = await created(calls, 'source')
    const bytes = Buffer.alloc(70 * 1024 * 1024 + 1, 'x')
    await calls.write(source, bytes, 5_000_000_000)
    const target = await created(calls, 'target')
    expect(await calls.copyRange(source, 5_000_000_000, target, 6_000_000_000, 50_000_000_000)).toBe(bytes.length)
    expect((await calls.stat(target)).sizeBytes).toBe(6_000_000_000 + bytes.length)
    const into = Buffer.alloc(4)
    await calls.read(target, into, 6_000_000_000 + bytes.length - 2)
    expect(into).toEqual(Buffer.from('xx\0\0'))
    await calls.read(target, into, 6_000_000_000 - 2)
    expect(into).toEqual(Buffer.from('\0\0xx'))
    await calls.close(source)
    await calls.close(target)
  })

  onTree('clone shares all bytes, or says that it cannot and changes nothing', async ({ calls }) => {
    const source = await created(calls, 'source', randomBytes(10_000))
    const target = await created(calls, 'target')
    const cloned = await calls.clone(source, target)
    expect((await calls.stat(target)).sizeBytes).toBe(cloned ? 10_000 : 0)
    await calls.close(source)
    await calls.close(target)
  })
}
