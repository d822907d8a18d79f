import { setTimeout as sleep } from 'node:timers/promises'
import { NamespaceError } from './errors.ts'
import { isErrno } from './file-errors.ts'
import type { Stat } from './files.ts'
import type { Located } from './find-object.ts'
import { listEntries, versionsDirectory } from './history.ts'
import { keyPath } from './key-path.ts'
import { type Place, within } from './place.ts'

/**
 * Whether a file may be somebody else's, to whom whoever made this name of it has no right: a file user's, with another name that is not the
 * gateway's. Where the service reads for all (enforcement `service`), a user who may write a bucket's directory would otherwise hard-link the file of
 * another user into it, which over NFS takes no right to the file, and have the gateway read it.
 *
 * A record of this bucket says that the gateway itself has written the file, or has read it for the bucket before: so nothing that is linked elsewhere
 * may be given one (amend-object.ts, archive-version.ts).
 *
 * The gateway's names are those among the key's versions, where no user gets: a version that was restored keeps its own there, and may have lost
 * its record (a file user has taken the attribute away, or rewritten a file with a side-car). Names in the bucket are users' names, the alias too.
 */
export async function isLinkedElsewhere(place: Place, key: string, located: Located): Promise<boolean> {
  const { kind, path, found, record } = located
  const { stat } = found
  if (stat.links < 2 || kind === 'directory' || record?.trusted === true) return false
  if (place.options.mayBeLinked(stat.uid)) return false
  const countKnown = async (): Promise<number> => {
    const versions = await statVersions(place, key)
    return versions.filter((each) => isSameFile(each, stat)).length + (isVersion(place, key, path) ? 0 : 1)
  }
  if (stat.links > (await countKnown())) return true
  // Mallory swaps somebody's file in while a PUT archives, whose link is taken back at once: counted just then, it would stand for the name that the
  // owner has. A name that comes or goes moves ctime; and, counted in a later tick than that of `stat`, to another time.
  await sleep(tickMs + place.root.capabilities.timeGranularityNs / 1e6)
  const known = await countKnown()
  const after = await place.service.statPath(path)
  const isSettled = after !== undefined && isSameFile(after, stat) && after.ctimeNs === stat.ctimeNs
  return !isSettled || after.links > known
}

/** The kernel's clock for files goes on at each tick, a hundred times a second at least. */
const tickMs = 20

/** Under the key's exclusive lock. Throws AccessDenied. */
export async function requireNotLinkedElsewhere(place: Place, key: string, located: Located): Promise<void> {
  if (await isLinkedElsewhere(place, key, located)) throw linkedFile(located)
}

/** `Links`: how many names the file has. */
export const linkedFile = ({ found: { stat } }: Located): NamespaceError =>
  new NamespaceError('AccessDenied', {
    message: `This file has another name (a hard link), so it may be somebody else's: S3 neither reads it nor keeps it as a version. The setting namespace.linked_file_uids can make an exception of its uid, ${stat.uid}.`,
    Links: stat.links,
  })

/** Was it refused for its other names, whoever asks? */
export const isLinkedFile = ({ code, detail }: NamespaceError): boolean =>
  code === 'AccessDenied' && detail.Links !== undefined

function isVersion(place: Place, key: string, path: string): boolean {
  const { path: plain, alias } = keyPath(key)
  return path !== within(place, plain) && path !== within(place, alias)
}

async function statVersions(place: Place, key: string): Promise<readonly Stat[]> {
  const names = (await listEntries(place, key)).map(({ name }) => Buffer.from(name))
  if (names.length === 0) return []
  try {
    const rows = await place.service.statMany(within(place, versionsDirectory(key)), names, '')
    return rows.flatMap((row) => row?.stat ?? [])
  } catch (error) {
    // The last version has gone.
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return []
    throw error
  }
}

const isSameFile = (one: Stat, other: Stat): boolean => one.inode === other.inode && one.device === other.device
