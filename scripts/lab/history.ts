/**
 * Runs in the guest: the history test (conformance/history) on the mounts of two gateway machines, with a file user on a third one.
 *
 *     node scripts/lab/history.ts --operations 10000 --faults kill,pause,cut,restart
 *     node scripts/lab/history.ts --versioned --faults cut …              # of a versioned bucket
 *     node scripts/lab/history.ts --broken 'no fencing' --faults cut …    # a build broken on purpose: is it noticed? (README.md)
 */
import { join, resolve } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { breakages } from '../../conformance/history/breakages.ts'
import { makeBrokenBuild } from '../../conformance/history/broken-build.ts'
import { checkHistory } from '../../conformance/history/check-history.ts'
import type { Call } from '../../conformance/history/event.ts'
import type { Recorder } from '../../conformance/history/recorder.ts'
import { type Habit, habits } from '../../conformance/history/s3-user.ts'
import { tellHistory, tellSurprises } from '../../conformance/history/tell.ts'
import { tellVersions } from '../../conformance/history/versioned/tell-versions.ts'
import { seedOf } from '../../conformance/random.ts'
import {
  type LabFault,
  type LabGateways,
  type LabRun,
  labPlace,
  runInLab,
  runVersionedInLab,
  startOnMounts,
} from './history-lab.ts'

type Options = {
  readonly operations: number
  readonly seconds: number
  readonly clients: number
  readonly hotKey?: string
  readonly habit: Habit
  readonly callTimeout?: number
  readonly delay?: number
  readonly faults: readonly LabFault[]
  readonly every: number
  readonly publishRoot: boolean
  readonly source?: string
  readonly broken?: string
  readonly versioned: boolean
}

const whole = (text: string): number => {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('give a whole number')
  return Number(text)
}

const isFault = (name: string): name is LabFault => ['kill', 'pause', 'cut', 'restart'].includes(name)

const faultsOf = (text: string): readonly LabFault[] =>
  text
    .split(',')
    .filter((name) => name !== '' && name !== 'none')
    .map((name) => {
      if (!isFault(name)) throw new InvalidArgumentError('kill, pause, cut, restart, some of them, or none')
      return name
    })

const options = new Command('history')
  .option('--operations <number>', 'calls to make', whole, 10_000)
  .option('--seconds <number>', 'and no longer than this', whole, 2400)
  .option('--clients <number>', 'S3 clients', whole, 16)
  .option('--hot-key <key>', 'the only one that they write')
  .addOption(
    new Option('--habit <name>', 'of the clients; looks-first: most writes look before, for locks that are lost')
      .choices(habits)
      .default('everything'),
  )
  .option(
    '--call-timeout <seconds>',
    'of a call to a mount; longer than a cut, what was stopped goes on after it',
    whole,
  )
  .option('--delay <ms>', 'of each answer of the server to a gateway: what is done under a lock lasts', whole)
  .option('--faults <kinds>', 'of kill, pause, cut, restart; or none', faultsOf, [])
  .option('--every <seconds>', 'between two pauses, cuts or restarts', whole, 20)
  .option('--no-publish-root', 'publish by the mount that is read from')
  .option('--source <directory>', 'start the gateways from another source tree')
  .option('--broken <name>', 'break them as breakages.ts says, and end when it has been noticed; 1 when it has not')
  .option(
    '--versioned',
    'of a versioned bucket; without --broken, --hot-key and --habit, and nobody works on its files',
    false,
  )
  .parse()
  .opts<Options>()

/** Of a broken build: a history can be checked only when nothing is under way. */
const ROUND = 1000

const seed = seedOf('history')
const { operations, seconds, clients, hotKey, habit, faults, every } = options
const run: LabRun = {
  bucket: 'history',
  seed,
  operations,
  seconds,
  clients,
  hotKey,
  habit,
  faults,
  faultEveryMs: every * 1000,
}
const mounts = { publishRoot: options.publishRoot, callTimeoutSeconds: options.callTimeout, delayMs: options.delay }
const source = options.source && resolve(options.source)
process.exitCode = await (options.broken === undefined ? complete() : broken(options.broken))

async function complete(): Promise<number> {
  const program = source && [join(source, 'scripts/causeway'), 'serve']
  const gateways = await startOnMounts({ ...mounts, program: program || undefined })
  try {
    return await (options.versioned
      ? told(gateways, await runVersionedInLab(gateways, run), tellVersions)
      : told(gateways, await runInLab(gateways, run), tellHistory))
  } finally {
    await gateways.stop()
  }
}

async function told<Kind extends Call>(
  { instances }: LabGateways,
  recorder: Recorder<Kind>,
  tell: (events: readonly Kind[]) => number,
): Promise<number> {
  await recorder.write(join(labPlace('LAB_OUT'), 'history.jsonl'))
  await tellSurprises(instances)
  return tell(recorder.events)
}

async function broken(name: string): Promise<number> {
  const breakage = breakages.find((each) => each.name === name)
  if (breakage === undefined) throw new Error(`there is no breakage '${name}' in breakages.ts`)
  const build = await makeBrokenBuild(breakage.edit, source || undefined)
  const gateways = await startOnMounts({ ...mounts, program: build.program })
  try {
    for (let made = 0, round = 0; made < operations; round++) {
      const more = { bucket: `round-${round}`, operations: ROUND, seed: seed + round * 100 }
      const recorder = await runInLab(gateways, { ...run, ...more })
      const { events } = recorder
      await recorder.write(join(labPlace('LAB_OUT'), 'history.jsonl'))
      made += events.length
      // A whole build has padded answers, too: they show nothing here.
      const [finding] = checkHistory(events).findings.filter(({ kind }) => kind !== 'padded answer')
      if (finding === undefined) continue
      console.log(`caught within ${made} operations: ${name}\n${finding.kind}, ${finding.key}: ${finding.sentence}`)
      return 0
    }
    console.log(`NOT CAUGHT within ${operations} operations: ${name}`)
    return 1
  } finally {
    await gateways.stop()
    await build.remove()
  }
}
