/** One S3 client of a versioned bucket: does one thing after the other through one gateway, and tells what came of it. */
import type { Answer } from '../../connection.ts'
import type { FastClient, FastRequest } from '../../fast-client.ts'
import { crc32Of, multipartETag, type Random } from '../../random.ts'
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
} from '../asking.ts'
import { contentOf } from '../content.ts'
import { type Condition, nowUs } from '../event.ts'
import type { ToldOf } from '../recorder.ts'
import { SIZES } from '../s3-user.ts'
import type { KnownVersion, KnownVersions } from './known-versions.ts'
import type { ListedVersion, Made, PageMark, SeenVersion, VersionedEvent } from './versioned-event.ts'

/** Few, so that everybody is in everybody's way; some whose directory is another one's name, and one that is a directory. */
export const VERSIONED_KEYS = ['p0', 'p1', 'd/p2', 'd/', 'a', 'a/b', 'a/b/c'] as const

export type VersionedUserOptions = {
  readonly client: FastClient
  readonly bucket: string
  /** Retention and legal hold can be asked for. */
  readonly hasLock: boolean
  /** Unique in the history; the beginning of each id. */
  readonly name: string
  readonly random: Random
  readonly known: KnownVersions
  /** ETags that somebody has seen last, by key: what conditions ask for. */
  readonly lastSeen: Map<string, string>
  readonly tell: (told: ToldOf<VersionedEvent>) => void
}

export type VersionedUser = {
  /** One call, or the few of a multipart upload or of a listing. Never throws. */
  step(): Promise<void>
  get(key: string, versionId?: string): Promise<void>
  getTags(version: Pick<KnownVersion, 'key' | 'versionId'>): Promise<void>
  /** Resolves with all pages, or as far as they were answered. */
  listVersions(max: number, isQuiet?: boolean): Promise<readonly ListedVersion[]>
  list(): Promise<void>
}

const WEIGHTS = {
  put: 13,
  create: 3,
  replace: 5,
  remove: 8,
  removeMatching: 3,
  removeVersion: 30,
  copy: 3,
  copyVersion: 3,
  multipart: 2,
  tag: 5,
  getTags: 4,
  hold: 2,
  get: 14,
  head: 4,
  getVersion: 10,
  headVersion: 2,
  listVersions: 4,
  list: 2,
} as const

type Action = keyof typeof WEIGHTS

const ACTIONS: readonly Action[] = Object.entries(WEIGHTS).flatMap(([name, weight]) =>
  // Object.entries forgets the names of a const object.
  Array.from({ length: weight }, () => name as Action),
)

/** Of versions with a short retention. Longer than a gateway stands still: who arrives later than its end is refused. */
const RETENTION_MS = { least: 4000, more: 6000 }
const PAGE_SIZES = [1000, 1000, 40, 7]
const REFUSALS = [403, 404, 405, 412]

export function createVersionedUser(options: VersionedUserOptions): VersionedUser {
  const { client, bucket, hasLock, name, random, known, lastSeen, tell } = options
  let count = 0
  const target = (key: string, ...query: readonly string[]) =>
    `/${bucket}/${key}${query.length === 0 ? '' : `?${query.join('&')}`}`
  const ask = (request: FastRequest) => askThrough(client, request, REFUSALS)
  const madeNow = (mayLock: boolean): Made => {
    const id = `${name}-${count++}`
    const chance = mayLock && hasLock ? random.next() : 1
    const lastsMs = RETENTION_MS.least + random.below(RETENTION_MS.more)
    const retention = { untilMs: Date.now() + lastsMs, untilUs: nowUs() + lastsMs * 1000 }
    return { meta: id, tag: id, isHeld: chance < 0.05, ...(chance >= 0.03 && chance < 0.1 && { retention }) }
  }

  async function put(key: string, condition?: Condition): Promise<void> {
    const made = madeNow(true)
    const { bytes, md5: digest } = contentOf(made.meta, random.pick(SIZES))
    const { answer, timing } = await ask({
      method: 'PUT',
      target: target(key),
      headers: { ...headersOf(made), ...conditionHeaders(condition), 'x-amz-checksum-crc32': crc32Of(bytes) },
      body: bytes,
    })
    const body = { content: digest, sizeBytes: bytes.length, eTag: digest }
    const answered = answer?.status === 200 ? { answered: unquoted(answer.headers.get('etag')) } : {}
    tell({ kind: 'put', key, made, body, ...withCondition(condition), ...answered, ...told(key, answer), ...timing })
    if (answer?.status === 200) lastSeen.set(key, digest)
  }

  /** What the answer to a write says of its version; everybody knows of it from then on. */
  function told(key: string, answer: Answer | undefined, isMarker = false): { versionId?: string } {
    const versionId = answer !== undefined && answer.status < 300 ? answer.headers.get('x-amz-version-id') : undefined
    if (versionId === undefined) return {}
    known.add({ key, versionId, isMarker })
    return { versionId }
  }

  /** Nothing is told of what failed before Complete: it makes no version. */
  async function multipart(key: string): Promise<void> {
    const made = madeNow(true)
    const { bytes, md5: digest } = contentOf(made.meta, random.pick(SIZES))
    const created = await ask({ method: 'POST', target: target(key, 'uploads'), headers: headersOf(made) })
    const upload = `uploadId=${within(created.answer?.text ?? '', 'UploadId')}`
    if (created.timing.outcome !== 'done') return
    const part = await ask({ method: 'PUT', target: target(key, 'partNumber=1', upload), body: bytes })
    if (part.answer?.status !== 200) return
    const list = `<Part><PartNumber>1</PartNumber><ETag>${digest}</ETag></Part>`
    const body = `<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`
    const complete = () => ask({ method: 'POST', target: target(key, upload), body })
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
    const eTag = multipartETag([bytes])
    const seen = { content: digest, sizeBytes: bytes.length, eTag }
    tell({ kind: 'complete', key, made, body: seen, ...answeredETag(answer), ...told(key, answer), ...timing })
    if (timing.outcome === 'done') lastSeen.set(key, eTag)
  }

  async function copy(key: string, source: { readonly key: string; readonly versionId?: string }): Promise<void> {
    const made = madeNow(false)
    const version = source.versionId === undefined ? [] : [`versionId=${source.versionId}`]
    const { answer, timing } = await ask({
      method: 'PUT',
      target: target(key),
      headers: {
        ...headersOf(made),
        'x-amz-copy-source': target(source.key, ...version),
        'x-amz-metadata-directive': 'REPLACE',
        'x-amz-tagging-directive': 'REPLACE',
      },
    })
    const copied = answer?.status === 200 ? answer.headers.get('x-amz-copy-source-version-id') : undefined
    const from = copied === undefined ? {} : { copied }
    tell({ kind: 'copy', key, made, source, ...from, ...answeredETag(answer), ...told(key, answer), ...timing })
  }

  async function remove(key: string, condition?: Condition): Promise<void> {
    const { answer, timing } = await ask({
      method: 'DELETE',
      target: target(key),
      headers: conditionHeaders(condition),
    })
    tell({ kind: 'delete', key, ...withCondition(condition), ...told(key, answer, true), ...timing })
  }

  async function removeVersion({ key, versionId }: KnownVersion): Promise<void> {
    const { timing } = await ask({ method: 'DELETE', target: target(key, `versionId=${versionId}`) })
    tell({ kind: 'delete-version', key, versionId, ...timing })
    if (timing.outcome === 'done') known.remove({ key, versionId })
  }

  async function look(method: 'GET' | 'HEAD', key: string, versionId?: string): Promise<void> {
    const query = versionId === undefined ? [] : [`versionId=${versionId}`]
    const headers = { 'x-amz-checksum-mode': 'ENABLED' }
    const { answer, timing } = await ask({ method, target: target(key, ...query), headers })
    const seen = answer?.status === 200 ? versionSeen(answer, method === 'GET') : undefined
    const isHidden = answer?.status === 404 && answer.headers.get('x-amz-delete-marker') === 'true'
    const marker = isHidden ? answer.headers.get('x-amz-version-id') : undefined
    if (versionId === undefined && seen?.eTag !== undefined) lastSeen.set(key, seen.eTag)
    tell({
      kind: method === 'GET' ? 'get' : 'head',
      key,
      ...(versionId !== undefined && { versionId }),
      ...(seen && { seen }),
      ...(marker !== undefined && { marker }),
      ...timing,
    })
  }

  async function tag({ key, versionId }: KnownVersion): Promise<void> {
    const tag = `${name}-${count++}`
    const body = `<Tagging><TagSet><Tag><Key>w</Key><Value>${tag}</Value></Tag></TagSet></Tagging>`
    const { timing } = await ask({ method: 'PUT', target: target(key, 'tagging', `versionId=${versionId}`), body })
    tell({ kind: 'tag', key, versionId, tag, ...timing })
  }

  async function getTags({ key, versionId }: Pick<KnownVersion, 'key' | 'versionId'>): Promise<void> {
    const { answer, timing } = await ask({ method: 'GET', target: target(key, 'tagging', `versionId=${versionId}`) })
    const seenTag = answer?.status === 200 ? { seenTag: within(answer.text, 'Value') } : {}
    tell({ kind: 'get-tags', key, versionId, ...seenTag, ...timing })
  }

  async function hold({ key, versionId }: KnownVersion): Promise<void> {
    const isHeld = random.next() < 0.3
    const body = `<LegalHold><Status>${isHeld ? 'ON' : 'OFF'}</Status></LegalHold>`
    const { timing } = await ask({ method: 'PUT', target: target(key, 'legal-hold', `versionId=${versionId}`), body })
    tell({ kind: 'hold', key, versionId, isHeld, ...timing })
  }

  /** Each page is an event of its own. */
  async function listVersions(max: number, isQuiet = false): Promise<readonly ListedVersion[]> {
    const all: ListedVersion[] = []
    let after: PageMark = { key: '', versionId: '' }
    for (;;) {
      const marks = [`key-marker=${encodeURIComponent(after.key)}`, `version-id-marker=${after.versionId}`]
      const query = ['versions', `max-keys=${max}`, ...(after.key === '' ? [] : marks)]
      const { answer, timing } = await ask({ method: 'GET', target: `/${bucket}?${query.join('&')}` })
      const page = answer?.status === 200 ? versionsOf(answer.text) : undefined
      const { listed, last } = page ?? {}
      const facts = { after, ...(last && { last }), ...(listed && { listed }), isQuiet }
      tell({ kind: 'list-versions', key: '', ...facts, ...timing })
      for (const version of listed ?? []) known.add(version)
      all.push(...(listed ?? []))
      if (last === undefined) return all
      after = last
    }
  }

  async function list(): Promise<void> {
    const { answer, timing } = await ask({ method: 'GET', target: `/${bucket}?list-type=2` })
    const entries = answer?.status === 200 ? blocksOf(answer.text, 'Contents') : undefined
    const listed = entries?.map((xml) => ({ key: within(xml, 'Key'), eTag: eTagIn(xml) }))
    tell({ kind: 'list', key: '', ...(listed && { listed }), ...timing })
  }

  const matching = (key: string): Condition => {
    const eTag = lastSeen.get(key)
    return eTag === undefined ? { kind: 'absent' } : { kind: 'match', eTag }
  }
  const withKnown = async (version: KnownVersion | undefined, act: (version: KnownVersion) => Promise<void>) => {
    if (version !== undefined) await act(version)
  }
  const isObject = ({ isMarker }: KnownVersion) => !isMarker
  const someVersion = (key: string) => (random.next() < 0.15 ? known.pickGone(key, random) : known.pick(key, random))

  const actions: Readonly<Record<Action, (key: string) => Promise<void>>> = {
    put: (key) => put(key),
    create: (key) => put(key, { kind: 'absent' }),
    async replace(key) {
      if (random.next() < 0.5) await look('HEAD', key)
      await put(key, matching(key))
    },
    remove: (key) => remove(key),
    removeMatching: (key) => {
      const condition = matching(key)
      return condition.kind === 'absent' ? look('GET', key) : remove(key, condition)
    },
    removeVersion: (key) => withKnown(someVersion(key), removeVersion),
    copy: (key) => copy(key, { key: random.pick(VERSIONED_KEYS) }),
    copyVersion: (key) =>
      withKnown(known.pick(random.pick(VERSIONED_KEYS), random, isObject), ({ key: from, versionId }) =>
        copy(key, { key: from, versionId }),
      ),
    multipart,
    tag: (key) => withKnown(known.pick(key, random, isObject), tag),
    getTags: (key) => withKnown(known.pick(key, random, isObject), getTags),
    hold: (key) => (hasLock ? withKnown(known.pick(key, random, isObject), hold) : look('GET', key)),
    get: (key) => look('GET', key),
    head: (key) => look('HEAD', key),
    getVersion: (key) => withKnown(someVersion(key), ({ versionId }) => look('GET', key, versionId)),
    headVersion: (key) => withKnown(someVersion(key), ({ versionId }) => look('HEAD', key, versionId)),
    listVersions: async () => void (await listVersions(random.pick(PAGE_SIZES))),
    list,
  }

  return {
    async step() {
      // The first one is as hot as all others together.
      const key = random.next() < 0.35 ? VERSIONED_KEYS[0] : random.pick(VERSIONED_KEYS)
      await actions[random.pick(ACTIONS)](key)
    },
    get: (key, versionId) => look('GET', key, versionId),
    getTags,
    listVersions,
    list,
  }
}

const headersOf = ({ meta, tag, isHeld, retention }: Made): Record<string, string> => ({
  ...described(meta),
  'x-amz-tagging': `w=${tag}`,
  ...(isHeld && { 'x-amz-object-lock-legal-hold': 'ON' }),
  ...(retention && {
    'x-amz-object-lock-mode': 'GOVERNANCE',
    'x-amz-object-lock-retain-until-date': new Date(retention.untilMs).toISOString(),
  }),
})

function versionSeen(answer: Answer, withBody: boolean): SeenVersion {
  const until = answer.headers.get('x-amz-object-lock-retain-until-date')
  return {
    ...seenOf(answer, withBody),
    versionId: answer.headers.get('x-amz-version-id') ?? '',
    isHeld: answer.headers.get('x-amz-object-lock-legal-hold') === 'ON',
    ...(until !== undefined && { untilMs: Date.parse(until) }),
  }
}

const eTagIn = (xml: string): string => within(xml, 'ETag').replaceAll(/&quot;|"/g, '')

function versionsOf(text: string): { readonly listed: readonly ListedVersion[]; readonly last?: PageMark } {
  const entriesOf = (name: 'Version' | 'DeleteMarker'): readonly ListedVersion[] =>
    blocksOf(text, name).map((xml) => ({
      key: within(xml, 'Key'),
      versionId: within(xml, 'VersionId'),
      isMarker: name === 'DeleteMarker',
      isLatest: within(xml, 'IsLatest') === 'true',
      eTag: eTagIn(xml),
      sizeBytes: Number(within(xml, 'Size')),
    }))
  const last = { key: within(text, 'NextKeyMarker'), versionId: within(text, 'NextVersionIdMarker') }
  const listed = [...entriesOf('Version'), ...entriesOf('DeleteMarker')]
  return { listed, ...(within(text, 'IsTruncated') === 'true' && { last }) }
}
