import { createHash } from 'node:crypto'
import { Type as T } from 'typebox'
import { Value } from 'typebox/value'
import { NamespaceError } from './errors.ts'
import type { FileCalls } from './files.ts'
import { parentOf, recordAttribute, state } from './layout.ts'
import { writeWhole } from './record-store.ts'

/**
 * `.causeway/format`: who may serve this tree. `features` are those that a gateway must know to serve it; `keyFingerprint` tells another
 * master key, under which every record would look forged.
 */
const version = 1
const known: ReadonlySet<string> = new Set()

const Shape = T.Object({
  version: T.Number(),
  features: T.Array(T.String()),
  keyFingerprint: T.String(),
})

const fingerprintOf = (recordKey: Buffer): string =>
  createHash('sha256').update('causeway record key\n').update(recordKey).digest('hex').slice(0, 16)

/**
 * Makes it on a fresh tree. Answers the key under which the tree's records are signed: a fresh one takes the first. Throws InvalidRequest with
 * one sentence when this gateway must not serve the tree.
 */
export async function requireFormat(
  calls: FileCalls,
  recordKeys: readonly [Buffer, ...Buffer[]],
  writing: { readonly flush: boolean; readonly nonce: () => string },
): Promise<Buffer> {
  const made = await calls.makeDirectory(state.directory, 0o700)
  if (made && writing.flush) await calls.flushDirectory(parentOf(state.directory))
  for (const directory of [state.buckets, state.trash]) await calls.makeDirectory(directory, 0o700)
  const [first] = recordKeys
  const want = { attribute: recordAttribute, bodyBytesMax: 64 * 1024, keepOpen: false }
  const found = await calls.find(state.format, want)
  if (found === undefined) {
    const text = `${JSON.stringify({ version, features: [], keyFingerprint: fingerprintOf(first) }, undefined, 2)}\n`
    await writeWhole(calls, state.format, Buffer.from(text), writing)
    return first
  }
  const format = parse(found.body)
  if (format.version !== version)
    throw refused(`The tree has format version ${format.version}; this gateway knows ${version}.`)
  const unknown = format.features.filter((feature) => !known.has(feature))
  if (unknown.length > 0)
    throw refused(`The tree uses features that this gateway does not know: ${unknown.join(', ')}.`)
  const key = recordKeys.find((each) => fingerprintOf(each) === format.keyFingerprint)
  if (key !== undefined) return key
  throw refused(
    'The tree was written under another master key; restore that key file, or every record would look forged.',
  )
}

const refused = (message: string): NamespaceError => new NamespaceError('InvalidRequest', { message })

function parse(body: Buffer | undefined): { version: number; features: string[]; keyFingerprint: string } {
  try {
    const value: unknown = JSON.parse((body ?? Buffer.alloc(0)).toString('utf8'))
    if (Value.Check(Shape, value)) return value
  } catch {
    // Falls through to the one answer for what cannot be read.
  }
  throw refused("'.causeway/format' is damaged; restore it from a backup of .causeway.")
}
