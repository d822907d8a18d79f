import { Command } from 'commander'
import { CommandError } from './command-error.ts'
import { diagnose } from './diagnose.ts'
import type { Diagnosis } from './diagnosis.ts'
import { type PlaceOptions, readPlace, withPlace } from './place.ts'
import { sentenceOf } from './sentence.ts'

const MARKS: Readonly<Record<Diagnosis['level'], string>> = { good: 'ok   ', warning: 'WARN ', failure: 'FAIL ' }

export const doctorCommand = withPlace(new Command('doctor'))
  .description('look at mount, rights, nginx, clock, limits and configuration; exit code 1 when something cannot work')
  .action(async (options: PlaceOptions) => {
    const place = readPlace(options)
    let failures = 0
    for await (const { level, sentence } of diagnose(place.config, explain)) {
      process.stdout.write(`${MARKS[level]}${sentence}\n`)
      if (level === 'failure') failures++
    }
    if (failures > 0) {
      throw new CommandError(`${failures} thing${failures === 1 ? '' : 's'} must be mended before Causeway can work.`)
    }
  })

function explain(error: unknown): string {
  return sentenceOf(error) ?? (error instanceof Error ? error.message : String(error))
}
