/**
 * Cuts the power under load, again and again on one disk, and looks each time at what is left. Runs on the host:
 *
 *     npm run lab:nfs -- --only power-loss [--cuts 50] [--durability relaxed] [--on local] [--disk ext4] [--broken flush]
 *
 * A boot is: look at what the last cut has left, end the uploads, load the gateways, cut. The journal of each (power-loss-journal.ts) is
 * written to a directory of the host; what it means, power-loss-judge.ts says.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { applyEdit, copySource, type Edit } from '../../conformance/history/broken-build.ts'
import { randomOf, seedOf } from '../../conformance/random.ts'
import { type fileSystems, type Guest, guestPlaces, makeDisk, startGuest } from './guest.ts'
import { type Event, readJournal } from './power-loss-journal.ts'
import { judge, openUploads, type Verdict } from './power-loss-judge.ts'
import type { Finding } from './power-loss-operations.ts'
import type { Task } from './power-loss-task.ts'

export type PowerLossOptions = {
  readonly memoryMiB: number
  readonly cuts: number
  readonly durability: Task['durability']
  readonly on: Task['on']
  /** The server's file system: on ext4 large records have side-cars. */
  readonly disk: keyof typeof fileSystems
  /** Something is wrong on purpose: passes when something is lost. */
  readonly broken?: keyof typeof breakages
}

type Breakage = { readonly edit?: Edit; readonly environment?: Readonly<Record<string, string>> }

/** Whether the test would notice. */
export const breakages = {
  /** A build that flushes nothing when it publishes. On NFS the client does so by itself when mtime is set, and the server by each rename. */
  flush: {
    edit: {
      file: 'namespace/publish.ts',
      find: 'flushFile: place.options.flush,\n    flushDirectory: place.options.flush,',
      replace: 'flushFile: false,\n    flushDirectory: false,',
    },
  },
  /** A server that says "flushed" when it has not. */
  export: { environment: { LAB_EXPORT: 'async' } },
} as const satisfies Readonly<Record<string, Breakage>>

const LOAD_MS = { least: 1000, most: 8000 }
/** Looking at all that there is takes a while on the guest's processor. */
const BOOT_TIMEOUT_MS = 400_000
/** Left-overs are looked at and cleared away after so many cuts, and at the end. */
const CLEARS_EVERY = 20
/** Keys of older boots that are looked at after each cut; all are at the end. */
const OLDER_KEYS = 50
/** Of findings after one cut. */
const SENTENCES_MAX = 10

/** 0: nothing acknowledged was lost (with `broken`: something was). Otherwise 1 and sentences; `relaxed` only counts. */
export async function powerLoss(directory: string, options: PowerLossOptions): Promise<number> {
  const seed = seedOf('power loss')
  const random = randomOf(seed)
  const disk = join(directory, 'data.img')
  const out = join(directory, 'out')
  const { durability, on, cuts, memoryMiB, broken } = options
  await mkdir(out, { recursive: true })
  // What is tested stays the same for the whole run, whoever works on the checkout meanwhile.
  const build = join(out, 'build')
  await copySource(build)
  const { edit, environment = {} }: Breakage = broken === undefined ? {} : breakages[broken]
  if (edit !== undefined) await applyEdit(build, edit)
  await makeDisk(disk, { type: options.disk })
  const events: Event[] = []
  const boot = async (number: number, more: Pick<Task, 'keys' | 'clears' | 'loads'>): Promise<Guest> => {
    const task: Task = { boot: number, seed, durability, on, uploads: openUploads(events), ...more }
    await writeFile(join(out, 'task.json'), JSON.stringify(task))
    return startGuest({
      disk,
      outDirectory: out,
      memoryMiB,
      environment: { ...environment, LAB_DISK: options.disk, NODE_COMPILE_CACHE: `${guestPlaces.LAB_OUT}/compiled` },
      command: inGuest,
      timeoutMs: BOOT_TIMEOUT_MS,
    })
  }
  try {
    let verdict = judge(events)
    for (let number = 0; number < cuts; number++) {
      const keys = keysToLookAt(events, random.below)
      const guest = await boot(number, { keys, clears: number > 0 && number % CLEARS_EVERY === 0, loads: true })
      const file = join(out, `boot-${number}.jsonl`)
      await untilLoading(file, guest)
      const afterMs = LOAD_MS.least + random.below(LOAD_MS.most - LOAD_MS.least)
      await sleep(afterMs)
      await guest.cut()
      events.push(...(await readJournal(file)), { at: 'cut', afterMs })
      verdict = report(number, events, verdict)
      if (broken !== undefined && verdict.findings.some(({ kind }) => losses.includes(kind))) break
    }
    const last = await boot(cuts, { keys: writtenKeys(events), clears: true, loads: false })
    const code = await last.ended
    events.push(...(await readJournal(join(out, `boot-${cuts}.jsonl`))))
    verdict = report(cuts, events, verdict)
    if (code !== 0) throw new Error(`The last look has failed (${code}).`)
    return conclude(verdict, await repairable(disk, options.disk), events, options)
  } finally {
    await writeFile(
      join(directory, 'journal.jsonl'),
      events.map((event) => `${JSON.stringify(event)}\n`),
    )
    for (const path of [disk, build, join(out, 'compiled')]) await rm(path, { recursive: true, force: true })
  }
}

/** Then the disk is given back in order, so that its file system can be checked from outside. */
const inGuest = `
node $LAB_OUT/build/scripts/lab/power-loss-guest.ts
code=$?
umount -f "$LAB_GATEWAY_1" "$LAB_GATEWAY_2" "$LAB_USER"
exportfs -ua && rpc.nfsd 0 && umount "$LAB_BACKING" || exit 96
exit $code
`

async function untilLoading(file: string, guest: Guest): Promise<void> {
  let code: { readonly value: number | undefined } | undefined
  void guest.ended.then((value) => {
    code = { value }
  })
  for (;;) {
    const events = await readJournal(file)
    if (events.some(({ at }) => at === 'loading')) return
    const said = events.flatMap((event) => (event.at === 'error' ? [event.message] : []))
    if (code !== undefined) throw new Error(`The guest ended (${code.value}) before there was any load: ${said}`)
    await sleep(50)
  }
}

/** Of the versioned bucket everything is looked at each time. */
const writtenKeys = (events: readonly Event[]): readonly string[] => {
  const keys = events.flatMap((event) =>
    event.at === 'about' && 'key' in event.operation && !event.operation.does.includes('version')
      ? [event.operation.key]
      : [],
  )
  return [...new Set(keys)]
}

/** Those of the last boot, and some older ones: damage adds up. */
function keysToLookAt(events: readonly Event[], below: (limit: number) => number): readonly string[] {
  const all = writtenKeys(events)
  const some = Array.from({ length: OLDER_KEYS }, () => all[below(all.length)] ?? [])
  return [...new Set([...writtenKeys(lastBoot(events)), ...some.flat()])]
}

function lastBoot(events: readonly Event[]): readonly Event[] {
  const before = events.slice(0, -1).findLastIndex(({ at }) => at === 'cut')
  return events.slice(before + 1)
}

/** One line for each boot, and what is new. */
function report(boot: number, events: readonly Event[], before: Verdict): Verdict {
  const now = judge(events)
  const loadMs = lastBoot(events).flatMap((event) => (event.at === 'cut' ? [`cut after ${event.afterMs} ms`] : []))
  const more = (name: 'acknowledged' | 'inFlight' | 'looks') => Math.max(0, now[name] - before[name])
  console.log(
    `power loss ${boot}: ${more('looks')} looks, ${more('acknowledged')} acknowledged, ${more('inFlight')} in flight; ${loadMs}`,
  )
  const told = new Set(before.findings.map(({ sentence }) => sentence))
  const news = now.findings.filter(({ sentence }) => !told.has(sentence))
  for (const { kind, sentence } of news.slice(0, SENTENCES_MAX)) console.log(`  ${kind}: ${sentence.slice(0, 1200)}`)
  if (news.length > SENTENCES_MAX) console.log(`  and ${news.length - SENTENCES_MAX} more`)
  for (const event of lastBoot(events))
    if (event.at === 'error') console.log(`  error: ${event.message.slice(0, 1200)}`)
  return now
}

const checkers = { xfs: ['/sbin/xfs_repair', '-n'], ext4: ['/sbin/e2fsck', '-fn'] } as const

/** What the file system's own checker would have to mend; undefined: nothing. */
async function repairable(disk: string, type: PowerLossOptions['disk']): Promise<string | undefined> {
  const [program, how] = checkers[type]
  const { exitCode, all } = await execa(program, [how, disk], { reject: false, all: true })
  return exitCode === 0 ? undefined : all
}

const losses: readonly Finding['kind'][] = ['lost', 'old', 'zero-length', 'mixed', 'unreadable']

function conclude(
  verdict: Verdict,
  toRepair: string | undefined,
  events: readonly Event[],
  { broken, durability }: PowerLossOptions,
): number {
  const { acknowledged, inFlight, looks, cuts, replays, findings } = verdict
  const counts = Object.entries(Object.groupBy(findings, ({ kind }) => kind)).map(
    ([kind, all]) => `${kind} ${all?.length}`,
  )
  const unanswered = events.flatMap((event) => (event.at === 'unanswered' ? [event.why] : []))
  console.log(
    `power loss: ${cuts} cuts (${replays} logs replayed), ${acknowledged} acknowledged, ${inFlight} in flight, ${looks} looks`,
  )
  console.log(`power loss: found: ${counts.join(', ') || 'nothing'}; the file system is ${toRepair ?? 'whole'}`)
  for (const [why, all] of Map.groupBy(unanswered, (why) => why))
    console.log(`power loss: ${all.length} unanswered: ${why}`)
  const isLost = findings.some(({ kind }) => losses.includes(kind))
  if (broken !== undefined) return isLost ? 0 : 1
  const grave = findings.filter(({ kind }) => durability === 'strict' || kind === 'file-system')
  return grave.length === 0 && toRepair === undefined ? 0 : 1
}
