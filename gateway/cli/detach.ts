import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CommandError } from './command-error.ts'
import type { Place } from './place.ts'

const TIMEOUT_MS = 60_000

/**
 * Starts the same command again without --detach, in a session of its own, and returns when it serves. What it prints is printed
 * here; from then on it is in serve.log of the state directory. Throws CommandError, with its sentence, when it ends instead.
 */
export async function serveDetached(place: Place): Promise<void> {
  const log = join(place.config.state.directory, 'serve.log')
  const output = openSync(log, 'w', 0o600)
  const [node = '', ...command] = process.argv
  const child = spawn(node, [...process.execArgv, ...command.filter((argument) => argument !== '--detach')], {
    detached: true,
    stdio: ['ignore', output, output],
  })
  closeSync(output)
  const deadline = Date.now() + TIMEOUT_MS
  while (Date.now() < deadline) {
    const said = readFileSync(log, 'utf8')
    if (/^ready .*\n/m.test(said)) {
      process.stdout.write(said)
      child.unref()
      return
    }
    if (child.exitCode !== null || child.signalCode !== null) throw failure(readFileSync(log, 'utf8'), log)
    await sleep(50)
  }
  child.kill('SIGTERM')
  throw new CommandError(`Causeway does not serve after ${TIMEOUT_MS / 1000} seconds; ${log} has what it said.`)
}

/** The sentences that the process itself has said on standard error. */
function failure(said: string, log: string): CommandError {
  const sentences = said.split('\n').flatMap((line) => /^causeway: (.*)/.exec(line)?.[1] ?? [])
  return new CommandError(
    sentences.length > 0 ? sentences.join('\n') : `Causeway has ended at once; ${log} has what it said.`,
  )
}
