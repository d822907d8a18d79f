/**
 * Changes of the master key file by `causeway keys rekey`. A line is a key and a comment; what rekey knows of a line stands in its comment:
 * `next …` (known to whoever reads the file, seals nothing yet) and `former since <time>`. Everything else in the file stays.
 */

import { randomBytes } from 'node:crypto'
import { readFile, realpath } from 'node:fs/promises'
import { writeDurably } from './durable-file.ts'
import { exclusively } from './exclusively.ts'
import { idsOf, KEY_BYTES, readMasterKey } from './master-key.ts'

export type MasterKeyLine = {
  readonly id: string
  readonly isNext: boolean
  /** None: it is the current one, the next one, or the file was edited by hand. */
  readonly formerSince: Date | undefined
}

type Line = { readonly text: string; readonly key: MasterKeyLine | undefined }

/** In the order of the file, the current one first. Rejects as readMasterKey does. */
export async function readMasterKeyLines(path: string): Promise<readonly MasterKeyLine[]> {
  return (await readLines(path)).flatMap(({ key }) => key ?? [])
}

/** Puts a new key at the end, where there is no next one yet. Answers its id. */
export function addNextKey(path: string, now: Date): Promise<string> {
  return changeLines(path, async (lines, write) => {
    const there = lines.find(({ key }) => key?.isNext)?.key
    if (there !== undefined) return there.id
    const bytes = randomBytes(KEY_BYTES).toString('base64')
    await write([...texts(lines), `${bytes}  # next, made ${now.toISOString()}`])
    const added = (await readMasterKeyLines(path)).find(({ isNext }) => isNext)
    if (added === undefined) throw new Error(`${path} was changed by somebody else meanwhile; try again.`)
    return added.id
  })
}

/** The next key becomes the current one, and the current one a former one. Does nothing where that was done already. */
export function promoteNextKey(path: string, id: string, now: Date): Promise<void> {
  return changeLines(path, async (lines, write) => {
    const next = lines.find(({ key }) => key?.id === id && key.isNext)
    if (next === undefined) return
    const current = lines.find(({ key }) => key !== undefined)
    const others = lines.filter((line) => line !== next)
    await write([
      `${withoutComment(next.text)}  # current since ${now.toISOString()}`,
      ...others.map((line) =>
        line === current ? `${withoutComment(line.text)}  # former since ${now.toISOString()}` : line.text,
      ),
    ])
  })
}

export function dropKeys(path: string, ids: readonly string[]): Promise<void> {
  return changeLines(path, async (lines, write) => {
    await write(texts(lines.filter(({ key }) => key === undefined || !ids.includes(key.id))))
  })
}

/** A link to the file stays a link. */
async function changeLines<Result>(
  path: string,
  change: (lines: readonly Line[], write: (texts: readonly string[]) => Promise<void>) => Promise<Result>,
): Promise<Result> {
  const file = await realpath(path)
  return exclusively(`${file}.lock`, async () =>
    change(await readLines(file), (next) => writeDurably(file, `${next.join('\n')}\n`, 'replace')),
  )
}

async function readLines(path: string): Promise<readonly Line[]> {
  await readMasterKey(path)
  const lines = (await readFile(path, 'utf8')).replace(/\n$/, '').split('\n')
  return lines.map((text) => ({ text, key: keyOf(text) }))
}

function keyOf(text: string): MasterKeyLine | undefined {
  const bytes = withoutComment(text)
  if (bytes === '') return undefined
  const [id = ''] = idsOf([Buffer.from(bytes, 'base64')])
  const comment = text.slice(text.indexOf('#') + 1).trim()
  const since = /^former since (\S+)/.exec(comment)?.[1]
  const formerSince = since === undefined || Number.isNaN(Date.parse(since)) ? undefined : new Date(since)
  return { id, isNext: text.includes('#') && comment.startsWith('next'), formerSince }
}

const withoutComment = (text: string) => text.replace(/#.*/, '').trim()
const texts = (lines: readonly Line[]) => lines.map(({ text }) => text)
