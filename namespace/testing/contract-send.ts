/** sendFile into real sockets: readers fast, slow and vanishing; files that end early; owners that close. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { appendFileSync, mkdtempSync, rmSync, truncateSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import type { OpenedFiles } from './contract-tree.ts'
import { created, testOnTree } from './contract-tree.ts'

type Pair = { readonly server: Socket; readonly client: Socket; readonly descriptor: number }

/** The descriptor of a socket; node has no public name for it. */
function descriptorOf(socket: Socket): number {
  // net.Socket keeps its libuv handle in `_handle`; null once closed.
  const { _handle: handle } = socket as unknown as { _handle: { fd: number } | null }
  if (handle === null) throw new Error('the socket is closed')
  return handle.fd
}

async function withPair(kind: 'unix' | 'tcp', body: (pair: Pair) => Promise<void>): Promise<void> {
  const place = mkdtempSync(join(tmpdir(), 'causeway-socket-'))
  const listener = createServer({ pauseOnConnect: true })
  if (kind === 'unix') listener.listen(join(place, 's'))
  else listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  const accepted = once(listener, 'connection')
  const client =
    typeof address === 'string' ? connect(address) : connect({ port: address?.port ?? 0, host: '127.0.0.1' })
  client.pause()
  client.on('error', () => {})
  await once(client, 'connect')
  const [server]: Socket[] = await accepted
  if (server === undefined) throw new Error('no connection')
  server.on('error', () => {})
  try {
    await body({ server, client, descriptor: descriptorOf(server) })
  } finally {
    server.destroy()
    client.destroy()
    listener.close()
    rmSync(place, { recursive: true })
  }
}

/** Everything until the connection ends: bytes and MD5. */
async function drain(client: Socket, pauseMs = 0): Promise<{ bytes: number; md5: string }> {
  const hash = createHash('md5')
  let bytes = 0
  for await (const chunk of client) {
    hash.update(chunk)
    bytes += chunk.length
    if (pauseMs > 0) await sleep(pauseMs)
  }
  return { bytes, md5: hash.digest('hex') }
}

const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex')

export function sendContract(open: () => Promise<OpenedFiles>): void {
  const onTree = testOnTree(open)
  const bytes = randomBytes(12 * 1024 * 1024 + 5)

  for (const kind of ['unix', 'tcp'] as const)
    onTree(`sendFile sends a range into a ${kind} socket`, async ({ calls }) => {
      const file = await created(calls, 'f', bytes)
      await withPair(kind, async ({ server, client, descriptor }) => {
        server.write('head')
        await new Promise((written) => server.write('er:', written))
        const received = drain(client)
        expect(await calls.sendFile(descriptor, file, 3, bytes.length - 10)).toBe(bytes.length - 10)
        server.end()
        const wanted = Buffer.concat([Buffer.from('header:'), bytes.subarray(3, bytes.length - 7)])
        expect(await received).toEqual({ bytes: wanted.length, md5: md5(wanted) })
      })
      await calls.close(file)
    })

  onTree('a slow reader holds no thread', async ({ files, calls }) => {
    const file = await created(calls, 'f', bytes)
    await withPair('unix', async ({ server, client, descriptor }) => {
      const sending = calls.sendFile(descriptor, file, 0, bytes.length)
      await sleep(100)
      expect(files.load()).toEqual({ queued: 0, running: 0, oldestMs: 0 })
      const received = drain(client, 2)
      expect(await sending).toBe(bytes.length)
      server.end()
      expect(await received).toEqual({ bytes: bytes.length, md5: md5(bytes) })
    })
    await calls.close(file)
  })

  onTree('many sends at once all arrive whole', async ({ calls }) => {
    const file = await created(calls, 'f', bytes.subarray(0, 3_000_000))
    await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        withPair('unix', async ({ server, client, descriptor }) => {
          const received = drain(client, i % 3)
          expect(await calls.sendFile(descriptor, file, i, 3_000_000 - i)).toBe(3_000_000 - i)
          server.end()
          expect(await received).toEqual({ bytes: 3_000_000 - i, md5: md5(bytes.subarray(i, 3_000_000)) })
        }),
      ),
    )
    await calls.close(file)
  })

  for (const content of [bytes, bytes.subarray(0, 300_000)]) {
    onTree(`a reader that vanishes ends the send of ${content.length} bytes with what was sent`, async ({ calls }) => {
      const file = await created(calls, 'f', content)
      await withPair('unix', async ({ client, descriptor }) => {
        const sending = calls.sendFile(descriptor, file, 0, content.length)
        await sleep(50)
        client.destroy()
        const sent = await sending
        expect(sent).toBeGreaterThan(0)
        expect(sent).toBeLessThan(content.length)
        // And at once when there is nobody from the start: EPIPE, not SIGPIPE.
        expect(await calls.sendFile(descriptor, file, 0, content.length)).toBe(0)
        expect(await calls.sendFile(descriptor, file, 0, 10)).toBe(0)
      })
      await calls.close(file)
    })

    onTree(`an owner that closes the socket ends a waiting send of ${content.length} bytes`, async ({ calls }) => {
      const file = await created(calls, 'f', content)
      await withPair('unix', async ({ server, client, descriptor }) => {
        const sending = calls.sendFile(descriptor, file, 0, content.length)
        await sleep(50)
        server.destroy()
        const started = Date.now()
        const sent = await sending
        expect(Date.now() - started).toBeLessThan(3000)
        expect(sent).toBeLessThan(content.length)
        expect((await drain(client)).bytes).toBe(sent) // and the reader sees the end
      })
      await calls.close(file)
    })
  }

  onTree(
    'a file that ends early answers fewer bytes, also when it is cut short under way',
    async ({ calls, directory }) => {
      const file = await created(calls, 'f', bytes)
      await withPair('unix', async ({ server, client, descriptor }) => {
        const sending = calls.sendFile(descriptor, file, 0, bytes.length + 1000)
        await sleep(50)
        truncateSync(join(directory, 'f'), bytes.length - 1_000_000)
        const received = drain(client)
        expect(await sending).toBe(bytes.length - 1_000_000)
        expect(await calls.sendFile(descriptor, file, bytes.length, 10)).toBe(0)
        expect(await calls.sendFile(descriptor, file, 0, 0)).toBe(0)
        server.end()
        expect((await received).bytes).toBe(bytes.length - 1_000_000)
      })
      await calls.close(file)
    },
  )

  /** It fits into the socket whole: nothing but the reader's progress can be waited for. */
  const fits = bytes.subarray(0, 300_000)

  for (const newBytes of [fits.length - 60_001, fits.length - 2, 0])
    onTree(`a file cut to ${newBytes} bytes while all of it is on its way never arrives whole`, async (tree) => {
      const { calls, directory } = tree
      const file = await created(calls, 'f', fits)
      await withPair('unix', async ({ server, client, descriptor }) => {
        const sending = calls.sendFile(descriptor, file, 1, fits.length - 2)
        await sleep(100)
        truncateSync(join(directory, 'f'), newBytes)
        const received = drain(client)
        const sent = await sending
        expect(sent).toBeLessThan(fits.length - 2)
        server.end()
        expect((await received).bytes).toBe(sent)
      })
      await calls.close(file)
    })

  onTree('a file that grows, or is cut behind the range, meanwhile arrives whole', async ({ calls, directory }) => {
    const file = await created(calls, 'f', fits)
    await withPair('unix', async ({ server, client, descriptor }) => {
      const received = drain(client, 1)
      const lengthBytes = fits.length - 1000
      for (const change of [
        () => appendFileSync(join(directory, 'f'), 'more'),
        () => truncateSync(join(directory, 'f'), lengthBytes),
      ]) {
        client.pause()
        const sending = calls.sendFile(descriptor, file, 0, lengthBytes)
        await sleep(50)
        change()
        client.resume()
        expect(await sending).toBe(lengthBytes)
      }
      server.end()
      const range = fits.subarray(0, lengthBytes)
      expect(await received).toEqual({ bytes: 2 * lengthBytes, md5: md5(Buffer.concat([range, range])) })
    })
    await calls.close(file)
  })

  onTree('ranges of many lengths follow each other on one socket', async ({ calls }) => {
    const file = await created(calls, 'f', bytes)
    const lengths = [1, 4095, 4096, 4097, 65_535, 65_536, 65_537, 69_632, 70_000, 131_373, 300_000, 2_500_001]
    const ranges = lengths.flatMap((length) => [0, 1, 3797].map((offset) => bytes.subarray(offset, offset + length)))
    await withPair('unix', async ({ server, client, descriptor }) => {
      const received = drain(client, 1)
      for (const range of ranges) {
        const offset = range.byteOffset - bytes.byteOffset
        expect(await calls.sendFile(descriptor, file, offset, range.length)).toBe(range.length)
      }
      server.end()
      const wanted = Buffer.concat(ranges)
      expect(await received).toEqual({ bytes: wanted.length, md5: md5(wanted) })
    })
    await calls.close(file)
  })

  for (const end of ['whole', 'cut'])
    onTree(`a socket takes as much as before after a send that ended ${end}`, async ({ calls, directory }) => {
      const file = await created(calls, 'f', fits)
      await withPair('unix', async ({ server, client, descriptor }) => {
        const sending = calls.sendFile(descriptor, file, 0, fits.length)
        await sleep(50)
        if (end === 'cut') truncateSync(join(directory, 'f'), 1)
        client.resume()
        expect((await sending) === fits.length).toBe(end === 'whole')
        client.pause()
        await sleep(50)
        server.write(fits)
        await sleep(50)
        expect(server.writableLength).toBe(0) // all of it is with the kernel
      })
      await calls.close(file)
    })

  for (const beforeLast of [1, 100, 300])
    onTree(`a reader that leaves ${beforeLast} bytes unread costs no processor time`, async ({ calls, directory }) => {
      const lengthBytes = 65_536 + beforeLast // the addon keeps back 64 KiB
      const file = await created(calls, 'f', bytes.subarray(0, lengthBytes))
      await withPair('unix', async ({ server, client, descriptor }) => {
        const sending = calls.sendFile(descriptor, file, 0, lengthBytes)
        await sleep(50)
        const before = process.cpuUsage()
        await sleep(300)
        const { user, system } = process.cpuUsage(before)
        expect(user + system).toBeLessThan(100_000)
        truncateSync(join(directory, 'f'), 0)
        client.resume()
        expect(await sending).toBe(beforeLast)
        server.end()
      })
      await calls.close(file)
    })

  onTree('sendFile into what is no socket fails', async ({ calls }) => {
    const file = await created(calls, 'f', 'x')
    await expect(calls.sendFile(file, file, 0, 1)).rejects.toMatchObject({ code: 'ENOTSOCK', syscall: 'sendfile' })
    await expect(calls.sendFile(1_000_000, file, 0, 1)).rejects.toMatchObject({ code: 'EBADF' })
    await calls.close(file)
  })
}
