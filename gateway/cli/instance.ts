/**
 * One Causeway per state directory. `causeway.pid` holds process id and start time; together they name one process for as long as
 * the machine runs, so that a number taken over by another program is never taken for ours.
 */
import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CommandError, isErrno } from './command-error.ts'

export type Running = { readonly pid: number; readonly started: string }

const fileIn = (stateDirectory: string) => join(stateDirectory, 'causeway.pid')

/** Takes the state directory for this process; answers what gives it back. Throws CommandError when another one holds it. */
export async function claimInstance(stateDirectory: string): Promise<() => Promise<void>> {
  const file = fileIn(stateDirectory)
  const started = await startTimeOf(process.pid)
  const mine = `${file}.${process.pid}`
  await writeFile(mine, `${process.pid} ${started}\n`)
  try {
    // A link appears with its content or not at all, and refuses a name that is taken: two starts at once cannot both have it.
    for (let tries = 0; ; tries++) {
      try {
        await link(mine, file)
        return () => rm(file, { force: true })
      } catch (error) {
        if (!isErrno(error) || error.code !== 'EEXIST' || tries === 5) throw error
        const other = await findInstance(stateDirectory)
        if (other !== undefined) {
          throw new CommandError(
            `Causeway runs on ${stateDirectory} already (process ${other.pid}); stop it first, or use another --data directory.`,
          )
        }
        await rm(file, { force: true })
      }
    }
  } finally {
    await rm(mine, { force: true })
  }
}

/** The process that holds the state directory; undefined when none does, or the one that did has ended. */
export async function findInstance(stateDirectory: string): Promise<Running | undefined> {
  try {
    const [pid = '', started = ''] = (await readFile(fileIn(stateDirectory), 'utf8')).trim().split(' ')
    if (!/^\d+$/.test(pid) || (await startTimeOf(Number(pid))) !== started) return undefined
    return { pid: Number(pid), started }
  } catch (error) {
    if (isErrno(error) && (error.code === 'ENOENT' || error.code === 'ESRCH')) return undefined
    throw error
  }
}

/** Asks the process to end and waits for it; after `timeoutMs` it is killed. true when there was one. */
export async function stopInstance(stateDirectory: string, timeoutMs: number): Promise<boolean> {
  const running = await findInstance(stateDirectory)
  if (running === undefined) return false
  signal(running, 'SIGTERM')
  const deadline = Date.now() + timeoutMs
  while (await isAlive(running)) {
    if (Date.now() > deadline) {
      signal(running, 'SIGKILL')
      await sleep(100)
      break
    }
    await sleep(50)
  }
  return true
}

function signal(running: Running, name: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(running.pid, name)
  } catch (error) {
    if (!isErrno(error)) throw error
    if (error.code === 'EPERM') {
      throw new CommandError(`Process ${running.pid} belongs to another account; stop it as that account or as root.`)
    }
    if (error.code !== 'ESRCH') throw error
  }
}

async function isAlive(running: Running): Promise<boolean> {
  try {
    return (await startTimeOf(running.pid)) === running.started
  } catch (error) {
    if (isErrno(error)) return false
    throw error
  }
}

/** Field 22 of /proc/PID/stat, in clock ticks since boot. A zombie counts as ended: ENOENT as for no process. */
async function startTimeOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8')
  // The second field is the program's name in brackets and may hold anything, brackets too.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  if (fields[0] === 'Z') throw Object.assign(new Error(`process ${pid} has ended`), { code: 'ESRCH' })
  return fields[19] ?? ''
}
