/**
 * nginx as a child of this process, in the foreground. When it dies it is started again, with growing pauses; when it keeps dying,
 * the caller is told, for then everything should end rather than half of it run on.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { CommandError, isErrno } from './command-error.ts'
import { findProgram } from './find-program.ts'
import { withoutCapabilities } from './without-capabilities.ts'

const run = promisify(execFile)

/** So many deaths within this time and nginx is given up. */
const DEATHS_MAX = 5
const DEATHS_WITHIN_MS = 60_000
const RESTART_AFTER_MS = 200
/** What nginx writes before it gives up, kept for the sentence. */
const STDERR_KEPT_BYTES = 8192

export type NginxProcess = {
  /** Resolves with the sentence to say when nginx was given up; never otherwise. */
  readonly failed: Promise<string>
  readonly pid: () => number | undefined
  /** Reads configuration and certificate again without dropping a connection. Throws CommandError when nginx refuses them. */
  reload(): Promise<void>
  reopenLogs(): void
  /** Lets requests under way finish for at most `drainMs`. */
  stop(drainMs: number): Promise<void>
}

/** Throws CommandError when the configuration is refused or nginx ends at once, e.g. for a port in use. */
export async function startNginx(options: {
  /** Of the program, as nginxFiles gives them; the configuration keeps nginx in the foreground. */
  readonly programArguments: readonly string[]
  readonly log: (line: string) => void
}): Promise<NginxProcess> {
  const program = findProgram('nginx')
  if (program === undefined) throw new CommandError('nginx is not installed; install the package nginx.')
  const files = options.programArguments
  await test(program, files)

  let child: ChildProcess | undefined
  let stopping = false
  let deaths: number[] = []
  const { promise: failed, resolve: giveUp } = Promise.withResolvers<string>()

  const start = (): ChildProcess => {
    // A process group of its own: Ctrl-C in a terminal goes to the whole group, and nginx would drop what is under way.
    const [command = '', ...rest] = underParent(withoutCapabilities([program, ...files]))
    const started = spawn(command, rest, { stdio: ['ignore', 'ignore', 'pipe'], detached: true })
    let said = ''
    started.stderr?.on('data', (chunk: Buffer) => {
      options.log(chunk.toString().trimEnd())
      said = (said + chunk).slice(-STDERR_KEPT_BYTES)
    })
    started.once('error', (error) => giveUp(`nginx cannot be started (${error.message}).`))
    started.once('exit', (code, signal) => {
      if (stopping) return
      const now = Date.now()
      deaths = [...deaths.filter((at) => now - at < DEATHS_WITHIN_MS), now]
      options.log(`nginx ended (${signal ?? code})`)
      if (deaths.length >= DEATHS_MAX) {
        giveUp(`nginx ended ${deaths.length} times within a minute${reasonIn(said)}.`)
        return
      }
      setTimeout(
        () => {
          if (!stopping) child = start()
        },
        RESTART_AFTER_MS * 2 ** deaths.length,
      )
    })
    return started
  }

  child = start()
  await settled(child)
  return {
    failed,
    pid: () => child?.pid,
    async reload() {
      await test(program, files)
      child?.kill('SIGHUP')
    },
    reopenLogs() {
      child?.kill('SIGUSR1')
    },
    async stop(drainMs) {
      stopping = true
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGQUIT')
      const graceful = await Promise.race([ended, sleep(drainMs, 'late' as const, { ref: false })])
      if (graceful !== 'late') return
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** "nginx version: nginx/1.22.1" → "1.22.1"; undefined without nginx. */
export async function findNginxVersion(): Promise<string | undefined> {
  const program = findProgram('nginx')
  if (program === undefined) return undefined
  const { stderr } = await run(program, ['-v'])
  return /nginx\/([\d.]+)/.exec(stderr)?.[1]
}

// A child of a process that is killed lives on, holding the port. util-linux's setpriv has the kernel end it then.
function underParent(command: readonly string[]): readonly string[] {
  const setpriv = findProgram('setpriv')
  return setpriv === undefined ? command : [setpriv, '--pdeathsig', 'TERM', ...command]
}

async function test(program: string, files: readonly string[]): Promise<void> {
  // As it will run: with this process's capabilities it could read a key that it cannot read later.
  const [command = '', ...rest] = withoutCapabilities([program, ...files, '-t', '-q'])
  try {
    await run(command, rest)
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error)
    throw new CommandError(`nginx refuses its configuration${reasonIn(said)}.`, error)
  }
}

/** nginx binds its ports before it does anything else: where they are taken it tries for 2.5 s and ends. */
async function settled(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit').catch((error: unknown) => {
    if (!isErrno(error)) throw error
    throw new CommandError(`nginx cannot be started (${error.message}).`, error)
  })
  await Promise.race([ended, sleep(100, undefined, { ref: false })])
}

/** nginx's last complaint, without time and process: ` ("/x/key.pem" cannot be loaded)`. */
function reasonIn(said: string): string {
  const lines = said.split('\n').flatMap((line) => /\[(?:emerg|alert|crit)\] (?:\d+#\d+: )?(.*)/.exec(line)?.[1] ?? [])
  return lines[0] === undefined ? '' : ` (${lines[0]})`
}
