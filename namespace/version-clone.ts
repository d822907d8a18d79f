import { inVersions, writeNew } from './archive-version.ts'
import type { Descriptor, Stat } from './files.ts'
import { closeFound, type Located } from './find-object.ts'
import { entryPath, readHistory } from './find-version.ts'
import type { Identity } from './history.ts'
import { recordAttribute } from './layout.ts'
import { objectStat } from './object-stat.ts'
import type { Place } from './place.ts'
import type { StoredRecord } from './record.ts'
import type { Amendable } from './verbs.ts'
import { versionName } from './version-name.ts'

/**
 * A version under retention or hold is a file of the service's own in `.s3/versions`, by the name that it has there as an older version; what lies at
 * the plain path is a copy for readers. Otherwise whoever may write the directory would unlink the only one, and whoever may write the file would
 * change it: a mode protects from neither. Read and removed by its id, the version is this file (design section 4, Object lock).
 */
export const isProtected = ({ retention, legalHold }: Amendable): boolean =>
  retention !== undefined || legalHold === true

/** Under the key's exclusive lock. Takes the place of a second link of the plain file, and of a clone of before. */
export async function cloneVersion(
  place: Place,
  key: string,
  identity: Pick<Identity, 'order' | 'versionId'>,
  source: { readonly descriptor: Descriptor; readonly record: StoredRecord },
): Promise<void> {
  const { service } = place
  const { descriptor } = source
  const record = place.posix === undefined ? source.record : withRights(source.record, await service.stat(descriptor))
  const target = entryPath(place, key, versionName(identity, ''))
  await inVersions(place, key, () =>
    writeNew(place, service, target, BigInt(record.mtimeNs), record, async (to) => {
      if (!(await service.clone(descriptor, to))) await service.copyRange(descriptor, 0, to, 0, record.sizeBytes)
    }),
  )
}

/** Where the file system decides who may read what: of this file it could not say, for it is the service's. */
const withRights = (record: StoredRecord, { uid, gid, mode }: Stat): StoredRecord => ({
  ...record,
  posix: { uid, gid, mode },
})

type Want = { readonly bodyBytesMax: number; readonly keepOpen: boolean }

/** Of the current version; undefined: it has none. Whoever may read the plain file may read it. */
export async function findClone<Version extends Located>(
  place: Place,
  key: string,
  current: Version,
  want: Want,
): Promise<Version | undefined> {
  if (current.kind === 'directory') return undefined
  const [entry] = (await readHistory(place, key, current)).own
  if (entry === undefined) return undefined
  const path = entryPath(place, key, entry.name)
  const found = await place.service.find(path, { attribute: recordAttribute, ...want })
  if (found === undefined) return undefined
  try {
    if (found.stat.inode !== current.found.stat.inode) {
      const record = await place.records.read(found)
      const stat = { ...objectStat(place.bucket.name, key, found.stat, record), versionId: current.stat.versionId }
      return { ...current, kind: 'plain', path, found, record, stat }
    }
  } catch (error) {
    await closeFound(place.service, found)
    throw error
  }
  // The plain file itself, by its second name.
  await closeFound(place.service, found)
  return undefined
}
