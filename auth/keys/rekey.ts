/**
 * The master key gets a new current line while gateways serve. The order is the safety: a line that everybody knows → told as what is sealed with →
 * current → records sealed again. Each step can be repeated, and whatever it is broken off after, every key verifies everywhere.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { findSealingKey, type SeenReader, watchKeyReaders, writeSealingKey } from './key-readers.ts'
import { type KeyStore, openKeyStore } from './key-store.ts'
import { readMasterKey } from './master-key.ts'
import { addNextKey, dropKeys, type MasterKeyLine, promoteNextKey, readMasterKeyLines } from './master-key-lines.ts'

export type RekeyOptions = {
  readonly masterKeyFile: string
  readonly keysDirectory: string
  readonly now?: (() => Date) | undefined
  /** How long readers are given to take the new line. */
  readonly waitMs?: number | undefined
  readonly readersGoneAfterMs?: number | undefined
}

export type Rekeyed = Awaited<ReturnType<KeyStore['resealKeys']>>

/** A reader looks once a second and tells every five; one that was killed is taken for gone after twenty. */
const WAIT_MS = 30_000
const LOOK_EVERY_MS = 200

/** Rejects with a sentence, having sealed nothing, where a reader does not take the new line; its machine lacks it. */
export async function rekeyMasterKey(options: RekeyOptions): Promise<Rekeyed> {
  const { masterKeyFile, now = () => new Date() } = options
  const id = await addNextKey(masterKeyFile, now())
  await agreeOn(id, options, {
    agrees: ({ keys }) => keys.includes(id),
    refused: (names) =>
      `Nothing was sealed anew, since these gateways do not know the new line of ${masterKeyFile} (machine-process): ${names}; copy the file to their machines and repeat the command.`,
  })
  await promoteNextKey(masterKeyFile, id, now())
  return resealAll(options)
}

type Agreement = {
  readonly agrees: (reader: SeenReader) => boolean
  readonly refused: (names: string) => string
}

/** When all readers agree, whoever starts without this key is refused from then on. Rejects with a sentence where one does not in time. */
async function agreeOn(id: string, options: RekeyOptions, { agrees, refused }: Agreement): Promise<void> {
  const { keysDirectory, waitMs = WAIT_MS } = options
  const readers = watchKeyReaders(keysDirectory, options.readersGoneAfterMs)
  const others = async () => (await readers()).filter((reader) => !agrees(reader))
  const refuse = (those: readonly SeenReader[]) => new Error(refused(those.map(({ name }) => name).join(', ')))
  const deadlineMs = performance.now() + waitMs
  for (let those = await others(); those.length > 0; those = await others()) {
    if (performance.now() > deadlineMs) throw refuse(those)
    await sleep(LOOK_EVERY_MS)
  }
  const before = await findSealingKey(keysDirectory)
  await writeSealingKey(keysDirectory, id)
  // Who has started since then, without the key, has been refused or is seen now.
  const late = await others()
  if (late.length === 0) return
  await writeSealingKey(keysDirectory, before)
  throw refuse(late)
}

async function resealAll({ masterKeyFile, keysDirectory, now }: RekeyOptions): Promise<Rekeyed> {
  const masterKey = await readMasterKey(masterKeyFile)
  return openKeyStore({ directory: keysDirectory, masterKey, now }).resealKeys()
}

/** A line of the master key file and why it must stay; nothing: it may go. */
export type LineNeeds = MasterKeyLine & { readonly neededBy: readonly string[] }

/** Continuation tokens and temporary keys live for days at most. */
const TOKENS_LIVE_MS = 7 * 86_400_000

/** @param recordKey the one that signs the records of the tree's objects, see OpenNamespace */
export async function readLineNeeds(
  options: RekeyOptions & { readonly recordKey: Buffer },
): Promise<readonly LineNeeds[]> {
  const { masterKeyFile, keysDirectory, recordKey, now = () => new Date() } = options
  const masterKey = await readMasterKey(masterKeyFile)
  const counts = await openKeyStore({ directory: keysDirectory, masterKey }).countBySubkey()
  const [sealing, signing] = [masterKey.subkeys('access-keys'), masterKey.subkeys('records')]
  const lines = await readMasterKeyLines(masterKeyFile)
  return lines.map((line, index) => {
    const count = counts.get(sealing[index]?.id ?? '') ?? 0
    const needs: readonly (readonly [boolean, string])[] = [
      [index === 0, 'all that is sealed from now on'],
      [line.isNext, 'the next rekey'],
      [signing[index]?.bytes.equals(recordKey) === true, "the records of the tree's objects, for as long as the tree"],
      [count > 0, count === 1 ? '1 access key' : `${count} access keys`],
      [index > 0 && !line.isNext && tokensLive(line, now()), tokensText(line)],
    ]
    return { ...line, neededBy: needs.filter(([holds]) => holds).map(([, text]) => text) }
  })
}

function tokensLive({ formerSince }: MasterKeyLine, now: Date): boolean {
  return formerSince === undefined || now.getTime() - formerSince.getTime() < TOKENS_LIVE_MS
}

function tokensText({ formerSince }: MasterKeyLine): string {
  if (formerSince === undefined) return 'tokens, for 7 days from when it was replaced (the file does not say when)'
  return `tokens, until ${new Date(formerSince.getTime() + TOKENS_LIVE_MS).toISOString()}`
}

/**
 * Seals again what is sealed with former lines, and takes out of the file those that nothing needs. Rejects with a sentence where a gateway still
 * seals with another line.
 */
export async function retireMasterKeys(
  options: RekeyOptions & { readonly recordKey: Buffer },
): Promise<Rekeyed & { readonly retired: readonly string[] }> {
  const { masterKeyFile } = options
  const { id } = await readMasterKey(masterKeyFile)
  await agreeOn(id, options, {
    agrees: ({ keys }) => keys[0] === id,
    refused: (names) =>
      `No line was taken out, since these gateways still seal with another one (machine-process): ${names}; copy ${masterKeyFile} to their machines and repeat the command.`,
  })
  const resealed = await resealAll(options)
  const retired = (await readLineNeeds(options)).filter(({ neededBy }) => neededBy.length === 0).map((line) => line.id)
  if (retired.length > 0) await dropKeys(masterKeyFile, retired)
  return { ...resealed, retired }
}
