/** What the writers do in the versioned bucket. */
import type { KnownVersion } from '../../conformance/history/versioned/known-versions.ts'
import { crc32Of } from '../../conformance/random.ts'
import { carryOut, headersOf, metadataOf, versionedBucket, versionOf } from './power-loss-client.ts'
import { absent, type Belongings } from './power-loss-journal.ts'
import { bytesOf, description, type Writer } from './power-loss-writer.ts'

/** Few, so that each has versions; some step aside for a directory of their name. */
const keys = ['one', 'two', 'deep/1/2', 'a', 'a/b', 'f/']
const sizes = [0, 1, 700, 5000, 65_537]
const DAY_MS = 24 * 3_600_000

const targetOf = (key: string, ...query: readonly string[]) =>
  `/${versionedBucket}/${key}${query.length === 0 ? '' : `?${query.join('&')}`}`

/** Some are protected for longer than any test lasts: nobody may delete these. */
function belongingsOf({ random, versions, nextId }: Writer): Belongings {
  const chance = versions.hasLock ? random.next() : 1
  const until = chance < 0.05 ? new Date(Date.now() + DAY_MS).toISOString() : ''
  return { tag: nextId(), isHeld: chance >= 0.04 && chance < 0.12, until }
}

const belongingHeaders = ({ tag, isHeld, until }: Belongings): Record<string, string> => ({
  'x-amz-tagging': `w=${tag}`,
  ...(isHeld && { 'x-amz-object-lock-legal-hold': 'ON' }),
  ...(until !== '' && {
    'x-amz-object-lock-mode': 'GOVERNANCE',
    'x-amz-object-lock-retain-until-date': until,
  }),
})

function know({ versions }: Writer, key: string, isMarker: boolean, versionId: string | undefined): void {
  if (versionId !== undefined) versions.known.add({ key, versionId, isMarker })
}

async function put(writer: Writer): Promise<void> {
  const { random, client, journal } = writer
  const key = random.pick(keys)
  const about = description(writer)
  const body = bytesOf(about.id, random.pick(sizes))
  const version = versionOf(about, body)
  const belongings = belongingsOf(writer)
  const headers = { ...headersOf(about), ...belongingHeaders(belongings), 'x-amz-checksum-crc32': crc32Of(body) }
  const operation = { id: about.id, does: 'version', how: 'put', key, version, belongings } as const
  const answer = await carryOut(client, journal, operation, { method: 'PUT', target: targetOf(key), headers, body })
  if (answer !== undefined) writer.known.set(nameOf(key, answer.headers.get('x-amz-version-id')), version)
  know(writer, key, false, answer?.headers.get('x-amz-version-id'))
}

/** Where writers note what a version holds: in a copy it is to be known. No key has such a name. */
const nameOf = (key: string, versionId: string | undefined): string => `version:${versionId}:${key}`

/** Of a version, and of no key: nobody writes there. */
export const isVersionName = (name: string): boolean => name.startsWith('version:')

async function copy(writer: Writer): Promise<void> {
  const { random, client, journal, versions } = writer
  const key = random.pick(keys)
  const source = versions.known.pick(random.pick(keys), random, ({ isMarker }) => !isMarker)
  const from = source && writer.known.get(nameOf(source.key, source.versionId))
  if (source === undefined || from === undefined) return put(writer)
  const about = description(writer)
  const own = headersOf(about)
  const version = { ...from, id: about.id, contentType: about.contentType, metadata: metadataOf(Object.entries(own)) }
  const belongings = belongingsOf(writer)
  const headers = {
    ...own,
    ...belongingHeaders(belongings),
    'x-amz-copy-source': targetOf(source.key, `versionId=${source.versionId}`),
    'x-amz-metadata-directive': 'REPLACE',
    'x-amz-tagging-directive': 'REPLACE',
  }
  const operation = { id: about.id, does: 'version', how: 'copy', key, version, belongings } as const
  const answer = await carryOut(client, journal, operation, { method: 'PUT', target: targetOf(key), headers })
  know(writer, key, false, answer?.headers.get('x-amz-version-id'))
}

async function hide(writer: Writer): Promise<void> {
  const { random, client, journal, nextId } = writer
  const key = random.pick(keys)
  const belongings = { tag: '', isHeld: false, until: '' }
  const operation = { id: nextId(), does: 'version', how: 'delete', key, version: absent, belongings } as const
  const answer = await carryOut(client, journal, operation, { method: 'DELETE', target: targetOf(key) })
  know(writer, key, true, answer?.headers.get('x-amz-version-id'))
}

async function remove({ client, journal, nextId, versions }: Writer, { key, versionId }: KnownVersion): Promise<void> {
  const operation = { id: nextId(), does: 'remove version', key, versionId } as const
  const request = { method: 'DELETE', target: targetOf(key, `versionId=${versionId}`) } as const
  if (await carryOut(client, journal, operation, request)) versions.known.remove({ key, versionId })
}

async function tag({ client, journal, nextId }: Writer, { key, versionId }: KnownVersion): Promise<void> {
  const tag = nextId()
  const operation = { id: nextId(), does: 'tag version', key, versionId, tag } as const
  const body = `<Tagging><TagSet><Tag><Key>w</Key><Value>${tag}</Value></Tag></TagSet></Tagging>`
  const target = targetOf(key, 'tagging', `versionId=${versionId}`)
  await carryOut(client, journal, operation, { method: 'PUT', target, body })
}

async function hold(writer: Writer, { key, versionId }: KnownVersion): Promise<void> {
  const { client, journal, nextId, random } = writer
  const isHeld = random.next() < 0.3
  const operation = { id: nextId(), does: 'hold version', key, versionId, isHeld } as const
  const body = `<LegalHold><Status>${isHeld ? 'ON' : 'OFF'}</Status></LegalHold>`
  const target = targetOf(key, 'legal-hold', `versionId=${versionId}`)
  await carryOut(client, journal, operation, { method: 'PUT', target, body })
}

/** What nobody knows yet is written first. */
const ofSome =
  (act: (writer: Writer, version: KnownVersion) => Promise<void>, isWanted?: (version: KnownVersion) => boolean) =>
  (writer: Writer): Promise<void> => {
    const { versions, random } = writer
    const version = versions.known.pick(random.pick(keys), random, isWanted)
    return version === undefined ? put(writer) : act(writer, version)
  }

const isObject = ({ isMarker }: KnownVersion): boolean => !isMarker

export const versionDeeds: Readonly<Record<string, (writer: Writer) => Promise<void>>> = {
  'version put': put,
  'version copy': copy,
  'version delete': hide,
  'version remove': ofSome(remove),
  'version tag': ofSome(tag, isObject),
  'version hold': (writer) => (writer.versions.hasLock ? ofSome(hold, isObject)(writer) : put(writer)),
}

/** As many go as come: after each boot all that are left are read. */
export const versionWeights: Readonly<Record<string, number>> = {
  'version put': 9,
  'version copy': 2,
  'version delete': 5,
  'version remove': 14,
  'version tag': 3,
  'version hold': 2,
}
