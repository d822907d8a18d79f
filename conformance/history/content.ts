/**
 * Bytes that say whose they are: lines of 32 bytes, each with the id of its write. So bytes of two writes in one body are told apart
 * even where no checksum could say more than that something is wrong.
 */
import { md5 } from '../random.ts'

export type Content = { readonly id: string; readonly bytes: Buffer; readonly md5: string }

const LINE_BYTES = 32

/** Nobody writes zeros here: they are what a file system shows where a file was cut or never written. */
export const ZEROS = 'zeros'

/** Two contents of different ids differ in each line, so in their MD5 too. Throws for an id with no room in a line, and for no bytes. */
export function contentOf(id: string, sizeBytes: number): Content {
  if (id.length >= LINE_BYTES || sizeBytes <= id.length) throw new Error(`${id} does not fit into ${sizeBytes} bytes`)
  const bytes = Buffer.alloc(sizeBytes, lineOf(id))
  return { id, bytes, md5: md5(bytes).toString('hex') }
}

/**
 * Ids of all the writes whose lines these bytes are, at most `max`; and `?` where there are bytes of none. A line that begins as
 * one of them and ends as another is of both: a body is cut anywhere when the file changes below it. Lines of zeros are ZEROS's.
 */
export function writersOf(bytes: Uint8Array, max = 8): readonly string[] {
  const found = new Set<string>()
  const strange: string[] = []
  const whole = bytes.length - (bytes.length % LINE_BYTES)
  for (let from = 0; from < whole && found.size < max; from += LINE_BYTES) {
    const line = Buffer.from(bytes.subarray(from, from + LINE_BYTES)).toString('latin1')
    const id = /^([a-z0-9-]+)\.*\n$/.exec(line)?.[1]
    if (id !== undefined) found.add(id)
    else if (/^\0+$/.test(line)) found.add(ZEROS)
    else strange.push(line)
  }
  const ids = [...found]
  return strange.every((line) => isSpliced(line, ids)) ? ids : [...ids, '?']
}

const lineOf = (id: string): string => `${id.padEnd(LINE_BYTES - 1, '.')}\n`

function isSpliced(line: string, ids: readonly string[]): boolean {
  const lines = ids.map(lineOf)
  return lines.some((one) => {
    let same = 0
    while (same < LINE_BYTES && line[same] === one[same]) same++
    return lines.some((other) => other.slice(same) === line.slice(same))
  })
}
