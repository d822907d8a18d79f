/** After a boot: every version of the versioned bucket, by its id, with all that belongs to it. */
import pLimit from 'p-limit'
import type { FastClient } from '../../conformance/fast-client.ts'
import { blocksOf, within } from '../../conformance/history/asking.ts'
import { createKnownVersions, type KnownVersions } from '../../conformance/history/versioned/known-versions.ts'
import { versionedBucket } from './power-loss-client.ts'
import { absent, type Journal, type SeenVersion } from './power-loss-journal.ts'
import { ask, seeObject } from './power-loss-look.ts'

const AT_ONCE = 8

type Listed = Omit<SeenVersion, 'seen' | 'belongings'>

/** Notes them in the order in which they are listed. */
export async function lookAtVersions(client: FastClient, journal: Journal): Promise<KnownVersions> {
  const limit = pLimit(AT_ONCE)
  const listed = await listAll(client)
  const versions = await Promise.all(listed.map((version) => limit(() => see(client, version))))
  journal.write({ at: 'versions', versions })
  const known = createKnownVersions()
  // The newest one is to be known last.
  for (const version of listed.toReversed()) known.add(version)
  return known
}

async function listAll(client: FastClient): Promise<readonly Listed[]> {
  const all: Listed[] = []
  for (let marks = ''; ; ) {
    const { status, text } = await ask(client, { method: 'GET', target: `/${versionedBucket}?versions${marks}` })
    if (status !== 200) throw new Error(`The listing of versions is ${status} ${text}`)
    for (const name of ['Version', 'DeleteMarker'] as const) {
      for (const xml of blocksOf(text, name)) {
        const [key, versionId] = [within(xml, 'Key'), within(xml, 'VersionId')]
        const isLatest = within(xml, 'IsLatest') === 'true'
        all.push({ key, versionId, isMarker: name === 'DeleteMarker', isLatest })
      }
    }
    if (within(text, 'IsTruncated') !== 'true') return all
    const [key, versionId] = [within(text, 'NextKeyMarker'), within(text, 'NextVersionIdMarker')]
    marks = `&key-marker=${encodeURIComponent(key)}&version-id-marker=${versionId}`
  }
}

async function see(client: FastClient, version: Listed): Promise<SeenVersion> {
  if (version.isMarker) return { ...version, seen: absent }
  const target = `/${versionedBucket}/${version.key}`
  const { seen, headers } = await seeObject(client, `${target}?versionId=${version.versionId}`)
  const tags = await ask(client, { method: 'GET', target: `${target}?tagging&versionId=${version.versionId}` })
  const belongings = {
    tag: within(tags.text, 'Value'),
    isHeld: headers?.get('x-amz-object-lock-legal-hold') === 'ON',
    until: headers?.get('x-amz-object-lock-retain-until-date') ?? '',
  }
  return { ...version, seen, ...(headers && { belongings }) }
}

/** false where a mount is too open for it. */
export async function hasLock(client: FastClient): Promise<boolean> {
  return (await ask(client, { method: 'GET', target: `/${versionedBucket}?object-lock` })).status === 200
}
