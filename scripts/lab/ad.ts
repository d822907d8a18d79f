/**
 * npm run lab:ad                     the whole product through nginx with people of a real domain controller, with clients in other languages
 * npm run lab:ad -- --trials 20      with so many trials of each revocation, and the table of their times
 * npm run lab:ad -- --users 50000    what each question to a domain of so many users costs
 * npm run lab:ad -- --serve          a seeded domain controller, until Ctrl-C
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command, InvalidArgumentError } from 'commander'
import { execa } from 'execa'
import { serveDomain } from './ad-serve.ts'
import { measureSize } from './ad-size.ts'

type Options = { readonly serve?: boolean; readonly users?: number; readonly trials: number }

const project = fileURLToPath(new URL('../..', import.meta.url))

const program = new Command('lab:ad')
  .option('--serve', 'no suite, but a domain controller with people and groups, until Ctrl-C')
  .option('--users <number>', 'no suite, but what each question costs with so many users in the domain', wholeNumber)
  .option('--trials <number>', 'of each revocation', wholeNumber, 2)
  .argument('[files...]', 'of the suite, as vitest takes them; default all')
  .action(async (files: readonly string[], { serve, users, trials }: Options) => {
    if (serve) return serveDomain()
    if (users !== undefined) return measureSize(users)
    process.exitCode = await runSuite(files, trials)
  })

function wholeNumber(value: string): number {
  if (!/^[1-9]\d{0,6}$/.test(value)) throw new InvalidArgumentError('It must be a whole number above 0.')
  return Number(value)
}

/** Resolves with the exit code. */
async function runSuite(files: readonly string[], trials: number): Promise<number> {
  const options = { cwd: project, stdio: 'inherit', reject: false } as const
  const clients = await execa(join(project, 'scripts/setup-conformance'), options)
  if (clients.exitCode !== 0) return 1
  const vitest = join(project, 'node_modules/.bin/vitest')
  const suite = await execa(vitest, ['run', '--project', 'domain', ...files], {
    ...options,
    env: { CAUSEWAY_TRIALS: String(trials) },
  })
  return suite.exitCode ?? 1
}

await program.parseAsync().catch((error: unknown) => {
  console.error(`lab: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
})
