import type { ChildProcess } from 'node:child_process'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { livingFamily } from './processor-time.ts'

const STOP_TIMEOUT_MS = 20_000

/** Asks a process that was started here to end, by its id; resolves when all its children are gone too, at the latest killed. */
export async function endProcess(child: ChildProcess): Promise<void> {
  const { pid } = child
  if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const family = livingFamily(pid)
  child.kill('SIGTERM')
  const deadline = Date.now() + STOP_TIMEOUT_MS
  while (Date.now() < deadline && family.some(isAlive)) await sleep(25)
  for (const each of family) if (isAlive(each)) process.kill(each, 'SIGKILL')
}

const isAlive = (pid: number): boolean => livingFamily(pid).includes(pid)

/** Another program may take it before it is used; then the start says so. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}
