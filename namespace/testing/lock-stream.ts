/** A process of its own for the lock tests: writers of one key, one behind the other without a pause, until it is killed. */
import { keyLocks, type LockMode } from '../key-lock.ts'
import { openPosixFiles } from '../posix-files.ts'

const [directory = '', mode = 'shared'] = process.argv.slice(2)
const how: LockMode = mode === 'exclusive' ? 'exclusive' : 'shared'
const calls = openPosixFiles(directory, { threads: 2 }).as(undefined)
const locks = keyLocks({ calls, open: () => calls.create('locks', 0o600, false), timeoutMs: 60_000 })

async function writeOn(): Promise<never> {
  for (;;) await locks.hold('key', how, () => new Promise((resolve) => setTimeout(resolve, 2)))
}

void Promise.all(Array.from({ length: 4 }, writeOn))
console.log('writing')
