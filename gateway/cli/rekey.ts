import { Command } from 'commander'
import { type LineNeeds, readLineNeeds, rekeyMasterKey, retireMasterKeys } from '#auth'
import { expected } from './expected.ts'
import { type Operator, withOperator } from './operator.ts'
import { type PlaceOptions, withPlace } from './place.ts'
import { printTable } from './table.ts'

type RekeyOptions = PlaceOptions & { readonly status?: boolean; readonly retire?: boolean }

/** README.md, "A new master key", has the steps with several machines. */
export const rekeyCommand = withPlace(new Command('rekey'))
  .description('give the master key a new line and seal all access keys with it, while gateways serve')
  .option('--status', 'only show the lines of the master key file and what needs them')
  .option('--retire', 'no new line: take out those that nothing needs any more')
  .action(async (options: RekeyOptions) => {
    await withOperator(options, async (operator) => {
      const asked = askedOf(operator)
      if (!options.status) await (options.retire ? retire(asked) : rekey(asked))
      showLines(await readLineNeeds(asked))
    })
  })

type Asked = Parameters<typeof retireMasterKeys>[0]

function askedOf({ config, keysDirectory, namespace }: Operator): Asked {
  return { masterKeyFile: config.identity.masterKeyFile, keysDirectory, recordKey: namespace.recordKey }
}

async function rekey(asked: Asked): Promise<void> {
  const { resealed, damaged } = await expected(() => rekeyMasterKey(asked))
  tell(`${asked.masterKeyFile} has a new first line; ${keysOf(resealed)} sealed again with it.`)
  tellDamaged(damaged)
  tell('Copy the file to the other machines with a gateway of this tree, and keep a new backup of it.')
}

async function retire(asked: Asked): Promise<void> {
  const { resealed, damaged, retired } = await expected(() => retireMasterKeys(asked))
  if (resealed > 0) tell(`${keysOf(resealed)} sealed again with the current line.`)
  tellDamaged(damaged)
  tell(
    retired.length === 0
      ? 'Every line of the file is still needed.'
      : `Taken out of ${asked.masterKeyFile}: ${retired.join(', ')}. Copy the file to the other machines.`,
  )
}

function showLines(lines: readonly LineNeeds[]): void {
  printTable(
    ['LINE', 'STATE', 'NEEDED BY'],
    lines.map((line, index) => [
      line.id,
      stateOf(line, index),
      line.neededBy.join('; ') || 'nothing; --retire takes it out',
    ]),
  )
}

function stateOf({ isNext, formerSince }: LineNeeds, index: number): string {
  if (index === 0) return 'current'
  if (isNext) return 'next'
  return formerSince === undefined ? 'former' : `former since ${formerSince.toISOString()}`
}

function tellDamaged(damaged: readonly string[]): void {
  if (damaged.length > 0) {
    tell(`Damaged, left as they are, and refused: ${damaged.join(', ')}; \`keys remove\` removes them.`)
  }
}

const keysOf = (count: number) => (count === 1 ? '1 access key' : `${count} access keys`)

function tell(sentence: string): void {
  process.stdout.write(`${sentence}\n`)
}
