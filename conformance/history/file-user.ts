/**
 * Somebody with the tree mounted, who knows nothing of S3: writes files by rename, writes into files that are there, removes and reads them.
 * One thing after the other; only on the keys that are meant for it (keys.ts).
 */
import { mkdir, open, readFile, rename, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { md5, type Random } from '../random.ts'
import { type Content, contentOf, writersOf } from './content.ts'
import { nowUs, type Outcome } from './event.ts'
import { TEMPORARY_PREFIX } from './key-histories.ts'
import { KEYS } from './keys.ts'
import type { Told } from './recorder.ts'

export type FileUserOptions = {
  /** The bucket's directory. */
  readonly directory: string
  /** The same by an NFS mount that asks the server for each name, where `directory` may remember them: all but rename goes there. */
  readonly freshDirectory?: string
  readonly name: string
  readonly random: Random
  readonly written: Set<string>
  readonly tell: (told: Told) => void
}

export type FileUser = {
  /** One file operation. Never throws. */
  step(): Promise<void>
}

const SIZES = [96, 960, 3200, 16_384, 65_568] as const
/** A multiple of the line of content.ts, so that torn bytes still say whose they are. */
const PIECE_BYTES = 1600

export function createFileUser(options: FileUserOptions): FileUser {
  const { directory, freshDirectory = directory, name, random, written, tell } = options
  let count = 0
  const pathOf = (key: string) => join(directory, key)
  const freshPathOf = (key: string) => join(freshDirectory, key)

  const content = (): Content => {
    const made = contentOf(`${name}-${count++}`, random.pick(SIZES))
    written.add(made.md5)
    return made
  }

  const factsOf = (made: Content) => ({
    id: made.id,
    made: { content: made.md5, sizeBytes: made.bytes.length },
  })

  async function byRename(key: string): Promise<void> {
    const made = content()
    const path = pathOf(key)
    const temporary = join(dirname(path), `${TEMPORARY_PREFIX}${made.id}`)
    const startUs = nowUs()
    try {
      await mkdir(dirname(path), { recursive: true })
      await writeFile(temporary, made.bytes)
    } catch {
      // Its directory was pruned between the two; nobody has seen anything.
      return
    }
    const timing = await timed(() => rename(temporary, path), startUs)
    // A temporary that has gone can replace nothing.
    const outcome = timing.outcome === 'refused' ? 'nothing' : timing.outcome
    tell({ kind: 'file-rename', key, ...factsOf(made), ...timing, outcome: wasRepeated(timing) ? 'unknown' : outcome })
  }

  async function inPlace(key: string): Promise<void> {
    const made = content()
    const timing = await timed(async () => {
      const file = await open(freshPathOf(key), 'r+')
      try {
        for (let from = 0; from < made.bytes.length; from += PIECE_BYTES) {
          const piece = made.bytes.subarray(from, from + PIECE_BYTES)
          await file.write(piece, 0, piece.length, from)
          if (random.next() < 0.1) await sleep(random.below(3))
        }
        // Linux 6.1 with flexible files: pages that are not flushed when their file is cut may be written once more afterwards, whole: the file is
        // longer than it was made, with zeros. 31 of 2,808 rewrites, with no gateway anywhere; 0 of 710 that flush before.
        if (freshDirectory !== directory) await file.datasync()
        await file.truncate(made.bytes.length)
      } finally {
        await file.close()
      }
    })
    tell({ kind: 'file-rewrite', key, ...factsOf(made), ...timing })
  }

  async function remove(key: string): Promise<void> {
    const timing = await timed(() => unlink(freshPathOf(key)))
    tell({ kind: 'file-unlink', key, ...timing, ...(wasRepeated(timing) && { outcome: 'unknown' }) })
  }

  async function read(key: string): Promise<void> {
    let bytes: Buffer | undefined
    const timing = await timed(async () => {
      bytes = await readFile(freshPathOf(key))
    })
    const digest = bytes && md5(bytes).toString('hex')
    const seen = bytes &&
      digest !== undefined && {
        content: digest,
        sizeBytes: bytes.length,
        ...(!written.has(digest) && { writers: writersOf(bytes) }),
      }
    tell({ kind: 'file-read', key, ...(seen && { seen }), ...timing })
  }

  return {
    async step() {
      const chance = random.next()
      if (chance < 0.35) await byRename(random.pick(KEYS.renamed))
      else if (chance < 0.65) await inPlace(random.pick(KEYS.rewritten))
      else if (chance < 0.75) await remove(random.pick([...KEYS.renamed, ...KEYS.rewritten]))
      // Not of those that are rewritten: that is this very user, one after the other.
      else await read(random.pick([...KEYS.renamed, ...KEYS.rewritten]))
      await sleep(random.below(8))
    },
  }
}

type Timing = { startUs: number; endUs: number; outcome: Outcome; status?: number; error?: string }

/**
 * An NFS server that was restarted knows no answers of before: a rename or removal that it had carried out is sent once more, and finds nothing.
 * No restart is shorter than this.
 */
const RESTART_US = 1_000_000

const wasRepeated = ({ startUs, endUs, outcome }: Timing): boolean =>
  outcome === 'refused' && endUs - startUs > RESTART_US

async function timed(work: () => Promise<unknown>, startUs = nowUs()): Promise<Timing> {
  try {
    await work()
    return { startUs, endUs: nowUs(), outcome: 'done' }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT') return { startUs, endUs: nowUs(), outcome: 'refused', status: 404 }
    return { startUs, endUs: nowUs(), outcome: 'unknown', error: String(error) }
  }
}
