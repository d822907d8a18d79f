/** Each call by itself: what it answers, what it throws. */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect } from 'vitest'
import type { OpenedFiles } from './contract-tree.ts'
import { contentOf, created, statOnly, testOnTree, written } from './contract-tree.ts'

export function callsContract(open: () => Promise<OpenedFiles>): void {
  const onTree = testOnTree(open)

  onTree('find answers stat, attribute and a small body in one call', async ({ calls, directory }) => {
    const descriptor = await created(calls, 'a', 'hello')
    await calls.writeAttribute(descriptor, 'user.causeway', Buffer.from('{"v":1}'))
    await calls.close(descriptor)
    const found = await calls.find('a', { attribute: 'user.causeway', bodyBytesMax: 5, keepOpen: true })
    const real = statSync(join(directory, 'a'), { bigint: true })
    expect(found).toEqual({
      stat: {
        type: 'file',
        device: real.dev,
        inode: BigInt.asUintN(64, real.ino), // node has it signed; GlusterFS uses all 64 bits
        sizeBytes: 5,
        mtimeNs: real.mtimeNs,
        ctimeNs: real.ctimeNs,
        mode: Number(real.mode) & 0o7777,
        uid: Number(real.uid),
        gid: Number(real.gid),
        links: 1,
      },
      attribute: Buffer.from('{"v":1}'),
      body: Buffer.from('hello'),
      descriptor: undefined,
    })
  })

  onTree('find keeps a file open that is too large to come along', async ({ calls }) => {
    await written(calls, 'a', 'hello')
    const found = await calls.find('a', { attribute: 'user.causeway', bodyBytesMax: 4, keepOpen: true })
    expect(found).toMatchObject({ attribute: undefined, body: undefined })
    const into = Buffer.alloc(10)
    expect(await calls.read(found?.descriptor ?? -1, into, 1)).toBe(4)
    expect(into.toString('latin1', 0, 4)).toBe('ello')
    await calls.close(found?.descriptor ?? -1)
  })

  onTree(
    'find gives an empty file as an empty body, and as a descriptor where no body is wanted',
    async ({ calls }) => {
      await written(calls, 'a')
      const withBody = await calls.find('a', { attribute: '', bodyBytesMax: 0, keepOpen: true })
      expect(withBody).toMatchObject({ body: Buffer.alloc(0), descriptor: undefined })
      const without = await calls.find('a', { attribute: '', bodyBytesMax: -1, keepOpen: true })
      expect(without?.body).toBeUndefined()
      await calls.close(without?.descriptor ?? -1)
    },
  )

  onTree('find knows directories, the root among them', async ({ calls }) => {
    await calls.makeDirectory('d', 0o755)
    expect((await calls.find('d', statOnly))?.stat.type).toBe('directory')
    expect((await calls.find('', statOnly))?.stat.type).toBe('directory')
  })

  onTree('find and statPath answer undefined where nothing is', async ({ calls }) => {
    await written(calls, 'file')
    for (const path of ['absent', 'absent/below', 'file/below']) {
      expect(await calls.find(path, statOnly)).toBeUndefined()
      expect(await calls.statPath(path)).toBeUndefined()
    }
  })

  onTree(
    'a fifo, a socket and a device come back with their type, at once and without a descriptor',
    async ({ calls, directory }) => {
      execFileSync('mkfifo', [join(directory, 'fifo')])
      const server = createServer().listen(join(directory, 'socket'))
      await new Promise((listening) => server.once('listening', listening))
      try {
        for (const path of ['fifo', 'socket']) {
          const found = await calls.find(path, { attribute: 'user.causeway', bodyBytesMax: 100, keepOpen: true })
          expect(found).toMatchObject({
            stat: { type: 'other' },
            attribute: undefined,
            body: undefined,
            descriptor: undefined,
          })
          expect(await calls.statPath(path)).toMatchObject({ type: 'other' })
          await expect(calls.open(path, 'read')).rejects.toMatchObject({ code: 'ENXIO' })
          await expect(calls.open(path, 'write')).rejects.toMatchObject({ code: 'ENXIO' })
          await expect(calls.create(path, 0o644, false)).rejects.toMatchObject({ code: 'ENXIO' })
        }
      } finally {
        server.close()
      }
    },
  )

  onTree('open tells files from directories', async ({ calls }) => {
    await calls.makeDirectory('d', 0o755)
    await written(calls, 'f', 'x')
    await expect(calls.open('d', 'read')).rejects.toMatchObject({ code: 'EISDIR', path: 'd' })
    await expect(calls.open('d', 'write')).rejects.toMatchObject({ code: 'EISDIR' })
    await expect(calls.open('f', 'directory')).rejects.toMatchObject({ code: 'ENOTDIR' })
    await expect(calls.open('absent', 'write')).rejects.toMatchObject({ code: 'ENOENT', syscall: 'openat2' })
    const reading = await calls.open('f', 'read')
    await expect(calls.write(reading, Buffer.from('y'), 0)).rejects.toMatchObject({
      code: 'EBADF',
      syscall: 'write',
      path: 'f',
    })
    await calls.close(reading)
    await calls.close(await calls.open('d', 'directory'))
  })

  onTree('create is exclusive only when asked to be', async ({ calls }) => {
    await written(calls, 'f', 'x')
    await expect(calls.create('f', 0o644, true)).rejects.toMatchObject({ code: 'EEXIST' })
    await calls.close(await calls.create('f', 0o644, false))
    expect(await contentOf(calls, 'f')).toBe('x')
  })

  onTree('write, read, truncate and stat agree on a file with a hole', async ({ calls }) => {
    const descriptor = await created(calls, 'f')
    await calls.write(descriptor, Buffer.from('end'), 5_000_000_000)
    expect((await calls.stat(descriptor)).sizeBytes).toBe(5_000_000_003)
    const into = Buffer.alloc(8, 1)
    expect(await calls.read(descriptor, into, 4_999_999_998)).toBe(5)
    expect(into.subarray(0, 5)).toEqual(Buffer.from('\0\0end'))
    await calls.truncate(descriptor, 2)
    expect((await calls.stat(descriptor)).sizeBytes).toBe(2)
    await calls.close(descriptor)
  })

  onTree('setModified keeps every nanosecond that the file system does', async ({ calls }) => {
    const descriptor = await created(calls, 'f')
    for (const mtimeNs of [1_700_000_000_123_456_789n, 1n, -1_500_000_000n]) {
      await calls.setModified(descriptor, mtimeNs)
      expect((await calls.stat(descriptor)).mtimeNs).toBe(mtimeNs)
    }
    await calls.close(descriptor)
  })

  onTree('flush and flushDirectory answer for files, directories and the root', async ({ calls }) => {
    await calls.makeDirectory('d', 0o755)
    const descriptor = await created(calls, 'd/f', 'x')
    await calls.flush(descriptor)
    await calls.flushDirectory('d')
    await calls.flushDirectory('')
    await expect(calls.flushDirectory('absent')).rejects.toMatchObject({ code: 'ENOENT' })
    await calls.close(descriptor)
  })

  onTree('an attribute is absent, written, replaced, removed', async ({ calls }) => {
    const descriptor = await created(calls, 'f')
    expect(await calls.readAttribute(descriptor, 'user.a')).toBeUndefined()
    await calls.writeAttribute(descriptor, 'user.a', Buffer.from('one'))
    await calls.writeAttribute(descriptor, 'user.a', Buffer.alloc(0))
    expect(await calls.readAttribute(descriptor, 'user.a')).toEqual(Buffer.alloc(0))
    const large = Buffer.alloc(3000, 'x')
    await calls.writeAttribute(descriptor, 'user.a', large)
    expect(await calls.readAttribute(descriptor, 'user.a')).toEqual(large)
    expect((await calls.find('f', { ...statOnly, attribute: 'user.a' }))?.attribute).toEqual(large)
    await calls.removeAttribute(descriptor, 'user.a')
    await calls.removeAttribute(descriptor, 'user.a')
    expect(await calls.readAttribute(descriptor, 'user.a')).toBeUndefined()
    await calls.close(descriptor)
  })

  onTree('an attribute that no file can hold fails by the name of its system call', async ({ calls }) => {
    const descriptor = await created(calls, 'f')
    const failure = await calls.writeAttribute(descriptor, 'user.a', Buffer.alloc(70_000)).catch((error) => error)
    expect(['E2BIG', 'ENOSPC', 'ERANGE']).toContain(failure.code)
    expect(failure).toMatchObject({ name: 'FileError', syscall: 'fsetxattr', path: 'f' })
    await calls.close(descriptor)
  })

  onTree('a namespace of attributes that the mount does not know is absent', async ({ calls }) => {
    const descriptor = await created(calls, 'f')
    expect(await calls.readAttribute(descriptor, 'nonsense.a')).toBeUndefined()
    await calls.removeAttribute(descriptor, 'nonsense.a')
    await expect(calls.writeAttribute(descriptor, 'nonsense.a', Buffer.from('x'))).rejects.toMatchObject({
      code: 'ENOTSUP',
    })
    await calls.close(descriptor)
  })

  onTree('makeDirectory, removeDirectory and unlink say what was there', async ({ calls, directory }) => {
    expect(await calls.makeDirectory('d', 0o755)).toBe(true)
    expect(await calls.makeDirectory('d', 0o755)).toBe(false)
    await written(calls, 'd/f')
    await expect(calls.makeDirectory('d/f', 0o755)).rejects.toMatchObject({ code: 'EEXIST' })
    symlinkSync('d', join(directory, 'link'))
    await expect(calls.makeDirectory('link', 0o755)).rejects.toMatchObject({ code: 'EEXIST' })
    await expect(calls.makeDirectory('absent/d', 0o755)).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(calls.removeDirectory('d')).rejects.toMatchObject({ code: 'ENOTEMPTY', syscall: 'unlinkat' })
    await expect(calls.removeDirectory('d/f')).rejects.toMatchObject({ code: 'ENOTDIR' })
    await expect(calls.unlink('d')).rejects.toMatchObject({ code: 'EISDIR' })
    expect(await calls.unlink('d/f')).toBe(true)
    expect(await calls.unlink('d/f')).toBe(false)
    expect(await calls.unlink('absent/f')).toBe(false)
    expect(await calls.removeDirectory('d')).toBe(true)
    expect(await calls.removeDirectory('d')).toBe(false)
  })

  onTree('rename replaces, link does not', async ({ calls }) => {
    await written(calls, 'a', 'a')
    await written(calls, 'b', 'b')
    await expect(calls.link('a', 'b')).rejects.toMatchObject({ code: 'EEXIST', syscall: 'linkat', path: 'b' })
    await calls.link('a', 'c')
    expect((await calls.statPath('c'))?.links).toBe(2)
    await calls.rename('a', 'b')
    expect(await contentOf(calls, 'b')).toBe('a')
    await expect(calls.rename('a', 'b')).rejects.toMatchObject({ code: 'ENOENT', syscall: 'renameat', path: 'a' })
  })

  onTree('names of 255 bytes work, longer ones are refused', async ({ calls, directory }) => {
    const longest = `${'ä'.repeat(127)}x`
    await written(calls, longest, 'x')
    expect(await contentOf(calls, longest)).toBe('x')
    expect(readdirSync(directory)).toEqual([longest])
    await expect(calls.find(`${longest}x`, statOnly)).rejects.toMatchObject({ code: 'ENAMETOOLONG' })
    await expect(calls.create(`${longest}x`, 0o644, true)).rejects.toMatchObject({ code: 'ENAMETOOLONG' })
  })

  onTree('a path longer than PATH_MAX works in every call', async ({ calls }) => {
    let path = ''
    while (path.length < 9000) {
      path += path === '' ? 'd'.repeat(200) : `/${'d'.repeat(200)}`
      await calls.makeDirectory(path, 0o755)
    }
    await written(calls, `${path}/f`, 'deep')
    await calls.rename(`${path}/f`, `${path}/g`)
    await calls.link(`${path}/g`, `${path}/h`)
    expect(await contentOf(calls, `${path}/h`)).toBe('deep')
    expect((await calls.statMany(path, [Buffer.from('h')], ''))[0]?.stat.links).toBe(2)
    expect((await calls.scan(path)).count).toBe(2)
    await calls.unlink(`${path}/g`)
    await calls.unlink(`${path}/h`)
    for (; path !== ''; path = path.slice(0, Math.max(0, path.lastIndexOf('/')))) await calls.removeDirectory(path)
  })

  onTree('scan sorts by bytes, a directory as its name with a slash', async ({ calls }) => {
    for (const name of ['a', 'a.txt', 'a0', 'b', '\u{1F600}', '\u{FFFD}', 'Z']) await written(calls, name)
    await calls.makeDirectory('a-', 0o755)
    await calls.makeDirectory('a!', 0o755)
    await calls.makeDirectory('aa', 0o755)
    await calls.makeDirectory('.s3', 0o755)
    const scan = await calls.scan('')
    const names = Array.from({ length: scan.count }, (_, index) => scan.name(index).toString())
    // "a!/" < "a-/" < "a.txt" < "a0" < "aa/", and the supplementary plane behind U+FFFD
    expect(names).toEqual(['.s3', 'Z', 'a', 'a!', 'a-', 'a.txt', 'a0', 'aa', 'b', '\u{FFFD}', '\u{1F600}'])
    expect(scan.type(0)).toBe('directory')
    expect(scan.type(1)).toBe('file')
    expect(names[scan.lowerBound(Buffer.from('a-'))]).toBe('a-')
    expect(names[scan.lowerBound(Buffer.from('a-/'))]).toBe('a-')
    expect(names[scan.lowerBound(Buffer.from('a-0'))]).toBe('a.txt')
    expect(scan.lowerBound(Buffer.alloc(0))).toBe(0)
    expect(scan.lowerBound(Buffer.from([0xff]))).toBe(scan.count)
    expect(scan.stat.inode).toBe((await calls.statPath(''))?.inode)
  })

  onTree('scan and lowerBound agree with a sorted array, whatever the bytes', async ({ calls, directory }) => {
    const segment = fc
      .uint8Array({ minLength: 1, maxLength: 12 })
      .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x61 : byte))))
      .filter((name) => !['.', '..'].includes(name.toString('latin1')))
    const entry = fc.record({
      name: fc.oneof(
        segment,
        segment.map((name) => Buffer.concat([Buffer.from('common prefix/'.slice(0, 13)), name])),
      ),
      directory: fc.boolean(),
    })
    let round = 0
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(entry, { selector: (e) => e.name.toString('latin1'), maxLength: 40 }),
        segment,
        async (entries, probe) => {
          const place = `round-${round++}`
          mkdirSync(join(directory, place))
          for (const e of entries) {
            const path = Buffer.concat([Buffer.from(`${join(directory, place)}/`), e.name])
            if (e.directory) mkdirSync(path)
            else writeFileSync(path, '')
          }
          const scan = await calls.scan(place)
          const sortKey = (e: { name: Buffer; directory: boolean }) =>
            e.directory ? Buffer.concat([e.name, Buffer.from('/')]) : e.name
          const sorted = [...entries].sort((one, other) => Buffer.compare(sortKey(one), sortKey(other)))
          expect(Array.from({ length: scan.count }, (_, i) => [scan.name(i).toString('hex'), scan.type(i)])).toEqual(
            sorted.map((e) => [e.name.toString('hex'), e.directory ? 'directory' : 'file']),
          )
          const bound = sorted.findIndex((e) => Buffer.compare(sortKey(e), probe) >= 0)
          expect(scan.lowerBound(probe)).toBe(bound < 0 ? sorted.length : bound)
        },
      ),
      { numRuns: 15 },
    )
  })

  onTree('scan of a missing directory or of a file fails', async ({ calls }) => {
    await written(calls, 'f')
    await expect(calls.scan('absent')).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(calls.scan('f')).rejects.toMatchObject({ code: 'ENOTDIR' })
    expect((await calls.scan('')).count).toBe(1)
  })

  onTree('statMany answers each name in its slot', async ({ calls, directory }) => {
    const names = Array.from({ length: 150 }, (_, index) => Buffer.from(`name-${index}`))
    for (const [index, name] of names.entries()) {
      if (index % 5 === 4) continue
      const descriptor = await created(calls, name.toString(), 'x'.repeat(index))
      if (index % 2 === 0) await calls.writeAttribute(descriptor, 'user.causeway', Buffer.from(`record ${index}`))
      await calls.close(descriptor)
    }
    execFileSync('mkfifo', [join(directory, 'fifo')])
    symlinkSync('name-1', join(directory, 'link'))
    await calls.makeDirectory('d', 0o755)
    writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), Buffer.from([0xff, 0xfe])]), 'bytes')
    const odd = [Buffer.from('fifo'), Buffer.from('link'), Buffer.from('d'), Buffer.from([0xff, 0xfe])]
    const rows = await calls.statMany('', [...names, ...odd], 'user.causeway')
    expect(rows.length).toBe(154)
    for (const [index, row] of rows.slice(0, 150).entries()) {
      if (index % 5 === 4) expect(row).toBeUndefined()
      else
        expect([row?.stat.sizeBytes, row?.attribute?.toString()]).toEqual([
          index,
          index % 2 === 0 ? `record ${index}` : undefined,
        ])
    }
    expect(rows.slice(150).map((row) => row?.stat.type)).toEqual([undefined, undefined, 'directory', 'file'])
    expect(await calls.statMany('', [], 'user.causeway')).toEqual([])
    await expect(calls.statMany('absent', names, 'user.causeway')).rejects.toMatchObject({ code: 'ENOENT' })
    for (const name of ['', '.', '..', 'd/x', 'a\0b'])
      await expect(calls.statMany('', [Buffer.from(name)], '')).rejects.toMatchObject({ code: 'EINVAL' })
  })

  onTree('a file that shrinks while it is read comes back whole or not at all', async ({ calls, directory }) => {
    const path = join(directory, 'f')
    writeFileSync(path, Buffer.alloc(60_000, 'x'))
    const found = Array.from({ length: 200 }, (_, index) => {
      if (index % 10 === 5) truncateSync(path, 60_000 - index)
      return calls.find('f', { attribute: '', bodyBytesMax: 65_536, keepOpen: false })
    })
    for (const one of await Promise.all(found)) if (one?.body) expect(one.body.length).toBe(one.stat.sizeBytes)
  })

  onTree('the space of the file system is told', async ({ calls }) => {
    const { totalBytes, availableBytes } = await calls.space()
    expect(totalBytes).toBeGreaterThan(availableBytes - 1)
    expect(availableBytes).toBeGreaterThan(0)
  })

  onTree('load counts what is queued, and close lets it run but takes nothing more', async ({ files, calls }) => {
    expect(files.load()).toEqual({ queued: 0, running: 0, oldestMs: 0 })
    const source = await created(calls, 'source', Buffer.alloc(16 << 20))
    const target = await created(calls, 'target')
    // Unaligned, so that bytes move wherever this runs.
    const many = Array.from({ length: 20 }, () => calls.copyRange(source, 1, target, 0, 16 << 20))
    const { queued, running, oldestMs } = files.load()
    expect(queued + running).toBeGreaterThan(0)
    expect(queued + running).toBeLessThanOrEqual(20)
    expect(oldestMs).toBeLessThan(10_000)
    files.close()
    await expect(calls.statPath('')).rejects.toMatchObject({ code: 'EBADF' })
    expect(new Set(await Promise.all(many))).toEqual(new Set([(16 << 20) - 1]))
    // Nothing can be closed through it any more: descriptors outlive their Files, and are the process's.
    closeSync(source)
    closeSync(target)
  })

  onTree('a mode is what was asked for, less the umask', async ({ calls, directory }) => {
    await calls.close(await calls.create('f', 0o640, true))
    await calls.makeDirectory('d', 0o750)
    chmodSync(join(directory, 'd'), 0o700)
    expect((await calls.statPath('f'))?.mode).toBe(0o640 & ~process.umask())
    expect((await calls.statPath('d'))?.mode).toBe(0o700)
    expect(readFileSync(join(directory, 'f')).length).toBe(0)
  })
}
