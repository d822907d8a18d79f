/** After a boot: what is there, and the end of what was left half done. */
import { readdir, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pLimit from 'p-limit'
import type { Answer } from '../../conformance/connection.ts'
import type { FastClient, FastRequest } from '../../conformance/fast-client.ts'
import type { Instance } from '../../conformance/instance.ts'
import { md5 } from '../../conformance/random.ts'
import { bucket, bucketVersion, metadataOf, targetOf } from './power-loss-client.ts'
import { absent, type Journal, type Part, type Seen, type Version } from './power-loss-journal.ts'
import type { OpenUpload } from './power-loss-judge.ts'
import { abort, complete } from './power-loss-load.ts'

const DAY_MS = 24 * 3_600_000
const TRIES_MAX = 10

/** As any S3 client: "slow down", of a gateway that has just started on a busy machine, says nothing of what is there. */
export async function ask(client: FastClient, request: FastRequest): Promise<Answer> {
  for (let tries = 1; ; tries++) {
    const answer = await client.send(request)
    if (answer.status !== 503 || tries === TRIES_MAX) return answer
    await sleep(1000)
  }
}

/** Looks at each key and notes it. */
export async function lookAt(
  client: FastClient,
  journal: Journal,
  keys: readonly string[],
): Promise<Map<string, Version>> {
  const limit = pLimit(8)
  const versions = new Map<string, Version>()
  await Promise.all(
    keys.map((key) =>
      limit(async () => {
        const seen = await see(client, key)
        journal.write({ at: 'look', key, seen })
        if (seen !== absent && !('unreadable' in seen) && !key.startsWith('bucket:')) versions.set(key, seen)
      }),
    ),
  )
  return versions
}

async function see(client: FastClient, key: string): Promise<Seen> {
  if (!key.startsWith('bucket:')) return (await seeObject(client, targetOf(key))).seen
  try {
    const { status, text } = await ask(client, { method: 'HEAD', target: targetOf(key) })
    if (status === 404) return absent
    return status === 200 ? bucketVersion : { unreadable: `${status} ${text}` }
  } catch (error) {
    return { unreadable: String(error) }
  }
}

/** `headers`: of the answer, where it has bytes. */
export async function seeObject(
  client: FastClient,
  target: string,
): Promise<{ readonly seen: Seen; readonly headers?: Answer['headers'] }> {
  try {
    const answer = await ask(client, { method: 'GET', target, headers: { 'x-amz-checksum-mode': 'ENABLED' } })
    const { status, headers, body, text } = answer
    if (status === 404) return { seen: absent }
    if (status !== 200) return { seen: { unreadable: `${status} ${text}` } }
    const header = (name: string): string => headers.get(name) ?? ''
    const seen = {
      id: header('x-amz-meta-id'),
      sizeBytes: body.length,
      md5: md5(body).toString('hex'),
      eTag: header('etag').replaceAll('"', ''),
      crc32: header('x-amz-checksum-crc32'),
      metadata: metadataOf(headers),
      contentType: header('content-type'),
    }
    return { seen, headers }
  } catch (error) {
    return { seen: { unreadable: String(error) } }
  }
}

export async function listKeys(client: FastClient, journal: Journal): Promise<void> {
  const keys: string[] = []
  for (let token = ''; ; ) {
    const more = token === '' ? '' : `&continuation-token=${encodeURIComponent(token)}`
    const { status, text } = await ask(client, { method: 'GET', target: `/${bucket}?list-type=2${more}` })
    if (status !== 200) throw new Error(`The listing is ${status} ${text}`)
    keys.push(...valuesOf(text, 'Key'))
    token = valuesOf(text, 'NextContinuationToken')[0] ?? ''
    if (token === '') break
  }
  journal.write({ at: 'listed', keys })
}

export async function listUploads(
  client: FastClient,
  journal: Journal,
): Promise<readonly { key: string; uploadId: string }[]> {
  const { status, text } = await ask(client, { method: 'GET', target: `/${bucket}?uploads` })
  if (status !== 200) throw new Error(`The listing of uploads is ${status} ${text}`)
  const ids = valuesOf(text, 'UploadId')
  const uploads = valuesOf(text, 'Key').map((key, index) => ({ key, uploadId: ids[index] ?? '' }))
  const withParts = []
  for (const upload of uploads) withParts.push({ ...upload, parts: await listParts(client, upload) })
  journal.write({ at: 'uploads', uploads: withParts })
  return uploads
}

async function listParts(client: FastClient, { key, uploadId }: { key: string; uploadId: string }): Promise<Part[]> {
  const { text } = await ask(client, { method: 'GET', target: `${targetOf(key)}?uploadId=${uploadId}` })
  const [eTags, sizes] = [valuesOf(text, 'ETag'), valuesOf(text, 'Size')]
  return valuesOf(text, 'PartNumber').map((number, index) => ({
    partNumber: Number(number),
    sizeBytes: Number(sizes[index]),
    eTag: (eTags[index] ?? '').replaceAll(/"|&quot;/g, ''),
  }))
}

const valuesOf = (xml: string, name: string): string[] =>
  [...xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(([, value = '']) => value)

/**
 * Ends every upload: a Complete that was cut off is asked for again, what has all its parts is completed, the rest is given up, and so are
 * those whose id no client has been told. Resolves with the keys that may have changed.
 */
export async function endUploads(
  client: FastClient,
  journal: Journal,
  boot: number,
  uploads: readonly OpenUpload[],
): Promise<readonly string[]> {
  const listed = await listUploads(client, journal)
  const there = new Set(listed.map(({ uploadId }) => uploadId))
  let counter = 0
  const nextId = () => `${boot}.end.${counter++}`
  for (const upload of uploads) {
    const { key, uploadId, version, planned, acknowledged, interrupted } = upload
    const ending = { id: nextId(), key, uploadId }
    const completion = { ...ending, version, parts: planned }
    if (interrupted?.kind === 'complete') await complete(client, journal, completion, interrupted.id)
    else if (interrupted === undefined && acknowledged.length === planned.length)
      await complete(client, journal, completion)
    else if (interrupted === undefined || there.has(uploadId)) await abort(client, journal, ending)
  }
  const told = new Set(uploads.map(({ uploadId }) => uploadId))
  for (const { key, uploadId } of listed) {
    if (!told.has(uploadId)) await abort(client, journal, { id: nextId(), key, uploadId })
  }
  await listUploads(client, journal)
  return [...new Set(uploads.map(({ key }) => key))]
}

/** `.s3-…` anywhere, what the gateway keeps of uploads and its own half written files. Paths below the tree. */
async function leftBehind(tree: string): Promise<string[]> {
  const names = await readdir(tree, { recursive: true })
  return names.filter((name) => /(?:^|\/)\.s3-|\.s3\/uploads\/[^/]+$|\.tmp$|\.now$|\/trash\/./.test(name))
}

/**
 * With nothing under way, everything of the gateway's own that is no object is made a month old and `causeway check` looks; then a sweep, and
 * `check --repair`, clear away. What they leave is noted, but uploads that were completed: their answer is kept for a week, by another file.
 */
export async function clearAway(instance: Instance, journal: Journal, sweep: () => Promise<void>): Promise<void> {
  const { tree } = instance
  const old = new Date(Date.now() - 30 * DAY_MS)
  for (const path of await leftBehind(tree))
    if (!(await isSecondName(tree, path))) await utimes(join(tree, path), old, old).catch(() => undefined)
  journal.write({ at: 'checked', lines: await check(instance) })
  await sweep()
  await instance.causeway(['check', '--repair'])
  // A bucket whose making was cut off is finished by the next CreateBucket of that name.
  const left = (await check(instance)).filter((line) => !line.includes('missing, damaged or unfinished'))
  for (const path of await leftBehind(tree))
    if (!(await isKept(tree, path)) && !(await isSecondName(tree, path))) left.push(path)
  journal.write({ at: 'left', paths: left })
}

/** Of an object or a version, whose time it has: that must not be touched, and a sweep comes when it is old. */
const isSecondName = (tree: string, path: string): Promise<boolean> =>
  stat(join(tree, path)).then(
    (found) => found.isFile() && found.nlink > 1,
    () => false,
  )

/** What it says, without the sum in its last line. */
async function check(instance: Instance): Promise<string[]> {
  const { stdout } = await instance.causeway(['check'])
  return stdout.trim().split('\n').slice(0, -1)
}

async function isKept(tree: string, path: string): Promise<boolean> {
  if (!/\.s3\/uploads\/[^/]+$/.test(path)) return false
  const has = (name: string) =>
    stat(join(tree, path, name)).then(
      () => true,
      () => false,
    )
  return (await has('upload.json')) && (await has('completed.json'))
}
