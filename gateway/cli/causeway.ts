/**
 * The command line: one file per command. Whatever is expected to go wrong ends with one plain sentence on standard error and exit
 * code 1; a stack trace is a bug.
 */
import { Command, CommanderError } from 'commander'
import { bucketsCommand } from './buckets.ts'
import { checkCommand } from './check.ts'
import { configCommand } from './config.ts'
import { doctorCommand } from './doctor.ts'
import { explainCommand } from './explain.ts'
import { keysCommand } from './keys.ts'
import { policiesCommand } from './policies.ts'
import { sentenceOf } from './sentence.ts'
import { serveCommand } from './serve.ts'
import { stopCommand } from './stop.ts'

const program = new Command('causeway')
  .description('Serves one shared file tree as S3.')
  .addCommand(serveCommand)
  .addCommand(stopCommand)
  .addCommand(keysCommand)
  .addCommand(bucketsCommand)
  .addCommand(policiesCommand)
  .addCommand(doctorCommand)
  .addCommand(explainCommand)
  .addCommand(checkCommand)
  .addCommand(configCommand)

// `causeway keys list | head` is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode)
  const sentence = sentenceOf(error)
  if (sentence === undefined) console.error(error)
  else for (const line of sentence.split('\n')) console.error(`causeway: ${line}`)
  process.exit(1)
}
