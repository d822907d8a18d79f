/** A tree with enforcement `kernel`: the gateway's part is a process of an ordinary account, told what to do by messages. Needs root. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { asService } from '../../conformance/as-service.ts'
import type { PosixIdentity } from '../files.ts'
import { makeDirectory, removeDirectory } from './fixture.ts'
import type { Answer, Ask, Who } from './kernel-worker.ts'

/** The account of the service; no name is needed for it. */
export const serviceId = 29_999

export type Said = { readonly value?: unknown; readonly code?: string; readonly message?: string }

export type KernelTree = {
  readonly directory: string
  /** Never throws for what is refused. */
  ask(who: Who | undefined, work: Ask['work'], ...input: readonly string[]): Promise<Said>
  /** The gateway itself. */
  upkeep(work: 'sweep' | 'lifecycle' | 'problems' | 'rights' | 'unlisted' | 'trespass'): Promise<unknown>
  pid(): Promise<number>
  /** Ends the process at once, and starts another. What was asked and not answered is told as `killed`. */
  kill(): Promise<void>
  close(): Promise<void>
}

const worker = fileURLToPath(new URL('kernel-worker.ts', import.meta.url))

/** `as on NFS`, on a file system of this machine: the service's capabilities count for nothing, and its locks may be lost. */
export type On = 'as it is' | 'as on NFS'

/** `owners`: uid and gids of bucket owners, for lifecycle rules. In the namespace root everybody may make directories. */
export async function openKernelTree(
  on: On = 'as it is',
  owners: Readonly<Record<string, PosixIdentity>> = {},
): Promise<KernelTree> {
  const directory = await makeDirectory()
  await chown(directory, serviceId, serviceId)
  await chmod(directory, 0o1777)
  const pending = new Map<number, (said: Said) => void>()
  let serial = 0
  // Whoever asks while it is being replaced waits.
  let child = start()
  await child

  async function start(): Promise<ChildProcess> {
    const [program = '', ...prefix] = asService(serviceId, serviceId)
    const input = [...prefix, process.execPath, worker, directory, JSON.stringify(owners), on]
    const started = spawn(program, input, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const ended = once(started, 'exit').then(([code]) => Promise.reject(new Error(`the worker ended: ${code}`)))
    ended.catch(() => undefined)
    await Promise.race([once(started, 'message'), ended])
    started.on('message', ({ id, ...said }: Answer) => {
      pending.get(id)?.(said)
      pending.delete(id)
    })
    return started
  }

  const send = async (who: Who | undefined, work: string, input: readonly string[]): Promise<Said> => {
    const worker = await child
    serial += 1
    const { promise, resolve } = Promise.withResolvers<Said>()
    pending.set(serial, resolve)
    // One that has just died answers nothing: `kill` says so.
    worker.send({ id: serial, who, work, input } as Ask, () => undefined)
    return promise
  }

  async function end(worker: ChildProcess): Promise<void> {
    if (worker.exitCode !== null || worker.signalCode !== null) return
    const ended = once(worker, 'exit')
    worker.kill('SIGKILL')
    await ended
  }

  async function replace(worker: ChildProcess): Promise<ChildProcess> {
    await end(worker)
    for (const resolve of pending.values()) resolve({ code: 'killed' })
    pending.clear()
    return start()
  }

  return {
    directory,
    ask: (who, work, ...input) => send(who, work, input),
    async upkeep(work) {
      const { value, code } = await send(undefined, work, [])
      if (code !== undefined) throw new Error(code)
      return value
    },
    pid: async () => (await child).pid ?? -1,
    async kill() {
      child = replace(await child)
      await child
    },
    async close() {
      await end(await child)
      await removeDirectory(directory)
    },
  }
}
