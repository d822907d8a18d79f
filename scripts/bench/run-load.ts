import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { FromLoad, LoadJob, LoadResult, ToLoad } from './load-job.ts'

const PROGRAM = fileURLToPath(new URL('load.ts', import.meta.url))

export type Measured<Reading> = { readonly result: LoadResult; readonly before: Reading; readonly after: Reading }

/**
 * One run of load in a process of its own; `read` is asked right before its first request and right after its last answer. Throws with
 * the first failure where a request was not answered 2xx: a number made of errors is none.
 */
export async function runLoad<Reading>(job: LoadJob, read: () => Reading): Promise<Measured<Reading>> {
  const child = fork(PROGRAM, { serialization: 'advanced', stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const say = (message: ToLoad) => child.send(message, () => {})
  const ended = new Promise<never>((_, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => reject(new Error(`the load ended early (${signal ?? code})`)))
  })
  const heard = new Promise<Measured<Reading>>((resolve) => {
    let before: Reading
    child.on('message', (received) => {
      const message = received as FromLoad // load.ts at the other end
      if (message.kind === 'ready') {
        before = read()
        say({ kind: 'go' })
      } else {
        before ??= read()
        resolve({ result: message.result, before, after: read() })
      }
    })
  })
  say({ kind: 'job', job })
  try {
    const measured = await Promise.race([heard, ended])
    const { failure, failures } = measured.result
    if (failures > 0) throw new Error(`${failures} requests failed; the first: ${failure}`)
    return measured
  } finally {
    ended.catch(() => {})
    child.kill('SIGKILL')
  }
}
