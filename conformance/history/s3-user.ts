/** One S3 client: does one thing after the other through one gateway, and tells what came of it. */
import type { Answer } from '../connection.ts'
import type { FastClient, FastRequest } from '../fast-client.ts'
import { crc32Of, multipartETag, type Random } from '../random.ts'
import {
  answeredETag,
  ask as askThrough,
  blocksOf,
  conditionHeaders,
  described,
  seenOf,
  unquoted,
  withCondition,
  within,
} from './asking.ts'
import { contentOf, writersOf } from './content.ts'
import type { Condition, Seen } from './event.ts'
import { KEYS, type KeyKind, pickKey, pickSource } from './keys.ts'
import type { Told } from './recorder.ts'

export type S3UserOptions = {
  readonly client: FastClient
  readonly bucket: string
  /** Unique in the history; the beginning of each id. */
  readonly name: string
  readonly random: Random
  /** The only one that it writes. Default: all of keys.ts. */
  readonly hotKey?: string | undefined
  /** Default: everything. */
  readonly habit?: Habit | undefined
  /** Last seen by anybody, by key: what conditions ask for. Shared between users, so that they want the same. */
  readonly lastSeen: Map<string, LastSeen>
  /** MD5s of all that was written, by anybody. */
  readonly written: Set<string>
  readonly tell: (told: Told) => void
}

export type LastSeen = { readonly eTag: string; readonly content: string }

export type S3User = {
  /** One call, or the few of a multipart upload. Never throws. */
  step(): Promise<void>
  get(key: string): Promise<void>
  list(prefix: string, delimiter: string, max: number): Promise<void>
}

/** Around the borders on the way: a line, the small read of a look-up and what goes by sendfile. Mostly small: the race is the point. */
export const SIZES = [96, 96, 960, 3200, 3200, 16_384, 65_536, 65_568, 150_016]

const EVERYTHING = {
  put: 16,
  create: 5,
  replace: 12,
  remove: 7,
  removeMatching: 4,
  copy: 7,
  metadata: 5,
  multipart: 3,
  get: 26,
  head: 8,
  list: 4,
} as const

type Action = keyof typeof EVERYTHING

/**
 * `looks-first`: on the plain keys, much that looks at an object and then replaces it, copies onto themselves above all: they never end at a
 * condition, and put old bytes over new ones when they lose their lock between the two and another one writes meanwhile.
 */
export type Habit = 'everything' | 'looks-first'

export const habits: readonly Habit[] = ['everything', 'looks-first']

const ACTIONS: Readonly<Record<Habit, readonly Action[]>> = {
  everything: actionsOf(EVERYTHING),
  'looks-first': actionsOf({ metadata: 35, put: 25, replace: 15, get: 25 }),
}

const pick: Readonly<Record<Habit, typeof pickKey>> = {
  everything: pickKey,
  'looks-first': (random) => ({ key: random.pick(KEYS.plain), kind: 'plain' }),
}

function actionsOf(weights: Readonly<Partial<Record<Action, number>>>): readonly Action[] {
  return Object.entries(weights).flatMap(([name, weight]) =>
    // Object.entries forgets the names of a const object.
    Array.from({ length: weight }, () => name as Action),
  )
}

const PREFIXES = ['', '', 'a', 'a/', 'c', 'e/', 'k/', 'p'] as const

export function createS3User(options: S3UserOptions): S3User {
  const { client, bucket, name, random, lastSeen, written, tell, habit = 'everything' } = options
  let count = 0
  const target = (key: string) => `/${bucket}/${key}`
  const nextId = () => `${name}-${count++}`

  const content = (id: string) => {
    const made = contentOf(id, random.pick(SIZES))
    written.add(made.md5)
    return made
  }

  const ask = (request: FastRequest) => askThrough(client, request)

  const matchOf = (key: string): Condition | undefined => {
    const seen = lastSeen.get(key)
    if (seen === undefined) return undefined
    return { kind: 'match', eTag: seen.eTag, content: seen.content }
  }

  async function put(key: string, condition?: Condition): Promise<void> {
    const id = nextId()
    const { bytes, md5: digest } = content(id)
    const { answer, timing } = await ask({
      method: 'PUT',
      target: target(key),
      headers: { ...described(id), ...conditionHeaders(condition), 'x-amz-checksum-crc32': crc32Of(bytes) },
      body: bytes,
    })
    const made = { content: digest, sizeBytes: bytes.length, meta: id, eTag: digest }
    if (answer?.status === 200) lastSeen.set(key, { eTag: digest, content: digest })
    const answered = answer?.status === 200 ? { answered: unquoted(answer.headers.get('etag')) } : {}
    tell({ kind: 'put', key, made, ...answered, ...withCondition(condition), ...timing })
  }

  async function remove(key: string, condition?: Condition): Promise<void> {
    const { timing } = await ask({ method: 'DELETE', target: target(key), headers: conditionHeaders(condition) })
    tell({ kind: 'delete', key, ...withCondition(condition), ...timing })
  }

  async function copy(key: string, source: string): Promise<void> {
    const replaces = random.next() < 0.7
    const meta = replaces ? nextId() : undefined
    const condition: Condition | undefined = random.next() < 0.2 ? { kind: 'absent' } : undefined
    const { answer, timing } = await ask({
      method: 'PUT',
      target: target(key),
      headers: {
        'x-amz-copy-source': target(source),
        ...(meta !== undefined && { 'x-amz-metadata-directive': 'REPLACE', ...described(meta) }),
        ...conditionHeaders(condition),
      },
    })
    const answered = answeredETag(answer)
    const told = { key, source, ...(meta !== undefined && { meta }), ...withCondition(condition), ...answered }
    tell({ kind: 'copy', ...told, ...timing })
  }

  async function changeMetadata(key: string): Promise<void> {
    const meta = nextId()
    const headers = { 'x-amz-copy-source': target(key), 'x-amz-metadata-directive': 'REPLACE', ...described(meta) }
    const { answer, timing } = await ask({ method: 'PUT', target: target(key), headers })
    tell({ kind: 'metadata', key, meta, ...answeredETag(answer), ...timing })
  }

  /** Nothing is told of what failed before Complete: it changes no object. */
  async function multipart(key: string, condition?: Condition): Promise<void> {
    const id = nextId()
    const { bytes, md5: digest } = content(id)
    const created = await ask({ method: 'POST', target: `${target(key)}?uploads`, headers: described(id) })
    const uploadId = /<UploadId>([^<]+)</.exec(created.answer?.text ?? '')?.[1]
    if (uploadId === undefined) return
    const query = `uploadId=${uploadId}`
    const part = await ask({ method: 'PUT', target: `${target(key)}?partNumber=1&${query}`, body: bytes })
    if (part.answer?.status !== 200) return
    const complete = () =>
      ask({
        method: 'POST',
        target: `${target(key)}?${query}`,
        headers: conditionHeaders(condition),
        body: `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${digest}</ETag></Part></CompleteMultipartUpload>`,
      })
    const first = await complete()
    let { answer, timing } = first
    if (timing.outcome === 'unknown') {
      // Repeated, it answers what it would have answered; a refusal of the second says nothing of the first, which may be under way still.
      const second = await complete()
      if (second.timing.outcome === 'done') {
        answer = second.answer
        timing = { ...second.timing, startUs: first.startUs }
      }
    }
    const made = { content: digest, sizeBytes: bytes.length, meta: id, eTag: multipartETag([bytes]) }
    if (timing.outcome === 'done') lastSeen.set(key, { eTag: made.eTag, content: digest })
    tell({ kind: 'complete', key, made, ...answeredETag(answer), ...withCondition(condition), ...timing })
  }

  async function get(key: string): Promise<void> {
    const headers = { 'x-amz-checksum-mode': 'ENABLED' }
    const { answer, timing } = await ask({ method: 'GET', target: target(key), headers })
    const seen = answer?.status === 200 ? seenOf(answer, true) : undefined
    if (seen?.eTag !== undefined && seen.content !== undefined && written.has(seen.content))
      lastSeen.set(key, { eTag: seen.eTag, content: seen.content })
    tell({ kind: 'get', key, ...(seen && { seen: withWriters(seen, answer) }), ...timing })
  }

  /** Whose bytes it is made of, where it is not that of one write. */
  function withWriters(seen: Seen, answer: Answer | undefined): Seen {
    const isWhole =
      seen.content !== undefined &&
      written.has(seen.content) &&
      (seen.eTag === seen.content || seen.eTag?.includes('-'))
    return isWhole || answer === undefined ? seen : { ...seen, writers: writersOf(answer.body) }
  }

  async function head(key: string): Promise<void> {
    const headers = { 'x-amz-checksum-mode': 'ENABLED' }
    const { answer, timing } = await ask({ method: 'HEAD', target: target(key), headers })
    tell({ kind: 'head', key, ...(answer?.status === 200 && { seen: seenOf(answer, false) }), ...timing })
  }

  /** All pages, each an event of its own. */
  async function list(prefix: string, delimiter: string, max: number): Promise<void> {
    let [after, token] = ['', '']
    do {
      const query = [
        'list-type=2',
        `max-keys=${max}`,
        `prefix=${encodeURIComponent(prefix)}`,
        ...(delimiter === '' ? [] : [`delimiter=${encodeURIComponent(delimiter)}`]),
        ...(token === '' ? [] : [`continuation-token=${encodeURIComponent(token)}`]),
      ]
      const { answer, timing } = await ask({ method: 'GET', target: `/${bucket}?${query.join('&')}` })
      const page = answer?.status === 200 ? pageOf(answer.text) : undefined
      const last = page === undefined || page.token === '' ? undefined : lastOf(page)
      tell({
        kind: 'list',
        prefix,
        delimiter,
        after,
        ...(last !== undefined && { last }),
        ...(page && { listed: page.listed, prefixes: page.prefixes }),
        ...timing,
      })
      if (last === undefined || page === undefined) return
      after = last
      token = page.token
    } while (token !== '')
  }

  const actions: Readonly<Record<Action, (key: string, kind: KeyKind) => Promise<void>>> = {
    put: (key) => put(key),
    create: (key) => put(key, { kind: 'absent' }),
    async replace(key) {
      if (random.next() < 0.5) await get(key)
      await put(key, matchOf(key) ?? { kind: 'absent' })
    },
    remove: (key) => remove(key),
    async removeMatching(key) {
      if (random.next() < 0.5) await get(key)
      await remove(key, matchOf(key))
    },
    async copy(key) {
      const source = pickSource(random)
      await (source === key ? get(key) : copy(key, source))
    },
    metadata: (key, kind) => (kind === 'rewritten' ? head(key) : changeMetadata(key)),
    multipart: (key) => multipart(key, [undefined, { kind: 'absent' } as const, matchOf(key)][random.below(3)]),
    get,
    head,
    list: () => list(random.pick(PREFIXES), random.pick(['', '', '/']), random.pick([1000, 1000, 1000, 4])),
  }

  return {
    async step() {
      const { key, kind } = pick[habit](random)
      await actions[random.pick(ACTIONS[habit])](options.hotKey ?? key, kind)
    },
    get,
    list,
  }
}

type Page = {
  readonly listed: readonly { readonly key: string; readonly eTag: string; readonly sizeBytes: number }[]
  readonly prefixes: readonly string[]
  /** '' on the last page. */
  readonly token: string
}

function pageOf(text: string): Page {
  return {
    listed: blocksOf(text, 'Contents').map((xml) => ({
      key: within(xml, 'Key'),
      eTag: within(xml, 'ETag').replaceAll(/&quot;|"/g, ''),
      sizeBytes: Number(within(xml, 'Size')),
    })),
    prefixes: blocksOf(text, 'CommonPrefixes').map((xml) => within(xml, 'Prefix')),
    token: within(text, 'NextContinuationToken'),
  }
}

function lastOf({ listed, prefixes }: Page): string {
  const names = [...listed.map(({ key }) => key), ...prefixes].sort()
  return names.at(-1) ?? ''
}
