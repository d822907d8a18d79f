/** Open-file-description locks: between two descriptors of one process, and between processes. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import type { OpenedFiles } from './contract-tree.ts'
import { created, testOnTree } from './contract-tree.ts'

const holder = fileURLToPath(new URL('lock-holder.ts', import.meta.url))

export function lockContract(open: () => Promise<OpenedFiles>): void {
  const onTree = testOnTree(open)

  onTree('exclusive excludes, shared shares, other bytes do not matter', async ({ calls }) => {
    const one = await created(calls, 'locks')
    const two = await calls.open('locks', 'write')
    const offset = 2n ** 62n + 12345n
    expect(await calls.lock(one, offset, 'exclusive')).toBe(true)
    expect(await calls.lock(two, offset, 'exclusive')).toBe(false)
    expect(await calls.lock(two, offset, 'shared')).toBe(false)
    expect(await calls.lock(two, offset + 1n, 'exclusive')).toBe(true)
    expect(await calls.lock(one, offset, 'shared')).toBe(true)
    expect(await calls.lock(two, offset, 'shared')).toBe(true)
    expect(await calls.lock(one, offset, 'exclusive')).toBe(false)
    expect(await calls.lock(two, offset, 'none')).toBe(true)
    expect(await calls.lock(one, offset, 'exclusive')).toBe(true)
    await calls.close(two)
    expect(await calls.lock(one, offset + 1n, 'exclusive')).toBe(true)
    await calls.close(one)
  })

  onTree('letting go of what is not held is true', async ({ calls }) => {
    const descriptor = await created(calls, 'locks')
    expect(await calls.lock(descriptor, 1n, 'none')).toBe(true)
    await calls.close(descriptor)
  })

  onTree('closing another descriptor of the file keeps the lock', async ({ calls }) => {
    const one = await created(calls, 'locks')
    expect(await calls.lock(one, 1n, 'exclusive')).toBe(true)
    await calls.close(await calls.open('locks', 'read'))
    const two = await calls.open('locks', 'write')
    expect(await calls.lock(two, 1n, 'exclusive')).toBe(false)
    await calls.close(one)
    expect(await calls.lock(two, 1n, 'exclusive')).toBe(true)
    await calls.close(two)
  })

  onTree('an exclusive lock needs a descriptor open for writing', async ({ calls }) => {
    await calls.close(await created(calls, 'locks'))
    const reading = await calls.open('locks', 'read')
    expect(await calls.lock(reading, 1n, 'shared')).toBe(true)
    await expect(calls.lock(reading, 1n, 'exclusive')).rejects.toMatchObject({ code: 'EBADF', syscall: 'fcntl' })
    await calls.close(reading)
  })

  onTree('a lock holds against another process, until that process is killed', async ({ calls, directory }) => {
    const descriptor = await created(calls, 'locks')
    const child = spawn(process.execPath, [holder, directory, 'locks', '77'], { stdio: ['pipe', 'pipe', 'inherit'] })
    try {
      const [said] = await once(child.stdout, 'data')
      expect(String(said)).toBe('true\n')
      expect(await calls.lock(descriptor, 77n, 'exclusive')).toBe(false)
      expect(await calls.lock(descriptor, 78n, 'exclusive')).toBe(true)
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
      expect(await calls.lock(descriptor, 77n, 'exclusive')).toBe(true)
    } finally {
      child.kill('SIGKILL')
    }
    await calls.close(descriptor)
  })
}
