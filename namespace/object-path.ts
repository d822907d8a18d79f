import { isErrno } from './file-errors.ts'
import type { FileCalls, FileType, Stat } from './files.ts'
import { findVersion, type LocatedVersion } from './find-version.ts'
import { keyPath } from './key-path.ts'
import { join, parentOf } from './layout.ts'
import { type Place, type Root, within } from './place.ts'
import { type PosixAcl, parsePosixAcl, posixAclAttribute } from './posix-acl.ts'
import type { ObjectTarget } from './verbs.ts'

/** What one name on the way to an object is, to the file system. */
export type PathComponent = Pick<Stat, 'mode' | 'uid' | 'gid'> & {
  /** Absolute. */
  readonly path: string
  readonly type: FileType
  /** Beside the mode; undefined: there is none, or this account may not open the file to look. */
  readonly acl: PosixAcl | undefined
}

/**
 * whole: the last component is what the key names (without a key, the bucket's directory). partial: what there is of the way to a key that has no
 * file, or to where something else stands in it. hidden: as far as this account may look. older: what there is of the way to the key's directory, and
 * then the version, which lies in `.s3`, where the service alone gets to.
 */
export type ObjectPath = {
  readonly kind: 'whole' | 'partial' | 'hidden' | 'older'
  readonly components: readonly PathComponent[]
}

/**
 * The way to an object from the root of its mount down, as the service sees it: above the root no permission counts, because paths are
 * resolved from its descriptor. `key` '' is the bucket's directory. A diagnosis without locks: a file on its way between its plain path and its
 * alias may look absent. Throws as findVersion does.
 */
export async function objectPath(
  place: Place,
  { key, versionId }: Pick<ObjectTarget, 'key' | 'versionId'>,
): Promise<ObjectPath> {
  if (key === '') return walk(place, '', 'directory')
  const version = versionId === undefined ? undefined : await findVersion(place, key, versionId)
  if (version !== undefined && !version.isCurrent) {
    const way = await walk(place, parentOf(keyPath(key).path), 'directory')
    const entry = await look(place, version.path)
    return {
      kind: 'older',
      components: [...way.components, ...(entry === undefined ? [] : [ofItsUser(entry, version)])],
    }
  }
  const { path, alias, directory } = keyPath(key)
  const plain = await walk(place, path, 'file')
  if (plain.kind !== 'partial') return plain
  const aside = await walk(place, alias, 'file')
  if (aside.kind === 'whole') return aside
  return directory === undefined ? plain : walk(place, directory, 'directory')
}

/** A version that is the service's own file has its user's rights in the record. */
function ofItsUser(entry: PathComponent, { record }: LocatedVersion): PathComponent {
  const rights = record?.trusted === true ? record.record.posix : undefined
  return rights === undefined ? entry : { ...entry, ...rights, acl: undefined }
}

/** Where a new bucket's directory is made. */
export async function rootPath(root: Root): Promise<ObjectPath> {
  const component = await look({ root, service: root.files.as(undefined) }, '')
  return { kind: 'whole', components: component === undefined ? [] : [component] }
}

/** `path` is one of the bucket. */
async function walk(place: Place, path: string, type: FileType): Promise<ObjectPath> {
  const components: PathComponent[] = []
  const names = within(place, path)
    .split('/')
    .filter((name) => name !== '')
  for (const count of Array(names.length + 1).keys()) {
    const component = await look(place, join(...names.slice(0, count))).catch(hidden)
    if (component === undefined || component === 'hidden') return { kind: component ?? 'partial', components }
    components.push(component)
    const isLast = count === names.length
    if (component.type !== (isLast ? type : 'directory')) return { kind: 'partial', components }
  }
  return { kind: 'whole', components }
}

function hidden(error: unknown): 'hidden' {
  if (isErrno(error, 'EACCES')) return 'hidden'
  throw error
}

async function look(
  { root, service }: Pick<Place, 'root' | 'service'>,
  path: string,
): Promise<PathComponent | undefined> {
  const absolute = [root.path, path].filter((part) => part !== '').join('/') || '/'
  const stat = await service.statPath(path)
  if (stat === undefined) return undefined
  const { type, mode, uid, gid } = stat
  return { path: absolute, type, mode, uid, gid, acl: await findAcl(service, path, type) }
}

async function findAcl(calls: FileCalls, path: string, type: FileType): Promise<PosixAcl | undefined> {
  if (type !== 'file' && type !== 'directory') return undefined
  try {
    const found = await calls.find(path, { attribute: posixAclAttribute, bodyBytesMax: 0, keepOpen: false })
    return found?.attribute && parsePosixAcl(found.attribute)
  } catch (error) {
    if (isErrno(error, 'EACCES', 'EPERM')) return undefined
    throw error
  }
}
