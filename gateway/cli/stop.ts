import { Command } from 'commander'
import { stopInstance } from './instance.ts'
import { type PlaceOptions, stateDirectoryOf, withPlace } from './place.ts'

/** Longer than a worker may take to finish what it has begun (pool.drain_seconds, 30 by default). */
const WAIT_MS = 45_000

export const stopCommand = withPlace(new Command('stop'))
  .description('end the instance that serves a data directory, and wait for it')
  .action(async (options: PlaceOptions) => {
    const stateDirectory = stateDirectoryOf(options)
    const stopped = await stopInstance(stateDirectory, WAIT_MS)
    process.stdout.write(stopped ? 'stopped\n' : `Nothing runs on ${stateDirectory}.\n`)
  })
