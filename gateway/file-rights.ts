/** What an action needs of the files below an object, and whether modes and ACLs give it. Pure: the way to the object comes in. */
import type { S3Action } from '#auth'
import {
  askPermissions,
  type DecidedBy,
  isKeptBySticky,
  type ObjectPath,
  type PathComponent,
  type Permission,
  type PosixIdentity,
} from '#namespace'

/** An object is written beside the old file and renamed over it, so `replace` concerns the directory; `amend` writes an attribute of the file. */
export type FileNeed = 'read' | 'amend' | 'replace' | 'list' | 'makeBucket'

/** Also reading what S3 knows of an object opens its file. What is not here is the gateway's own state, which it reads and writes as itself. */
const needs: Readonly<Partial<Record<S3Action, FileNeed>>> = {
  's3:CreateBucket': 'makeBucket',
  's3:DeleteObject': 'replace',
  's3:DeleteObjectTagging': 'amend',
  's3:DeleteObjectVersion': 'replace',
  's3:DeleteObjectVersionTagging': 'amend',
  's3:GetObject': 'read',
  's3:GetObjectAcl': 'read',
  's3:GetObjectAttributes': 'read',
  's3:GetObjectLegalHold': 'read',
  's3:GetObjectRetention': 'read',
  's3:GetObjectTagging': 'read',
  's3:GetObjectVersion': 'read',
  's3:GetObjectVersionAcl': 'read',
  's3:GetObjectVersionAttributes': 'read',
  's3:GetObjectVersionTagging': 'read',
  's3:ListBucket': 'list',
  's3:ListBucketVersions': 'list',
  's3:PutObject': 'replace',
  's3:PutObjectAcl': 'amend',
  's3:PutObjectLegalHold': 'amend',
  's3:PutObjectRetention': 'amend',
  's3:PutObjectTagging': 'amend',
  's3:PutObjectVersionAcl': 'amend',
  's3:PutObjectVersionTagging': 'amend',
}

/** undefined: no file of users is asked. `key` '' is the bucket. */
export function fileNeedOf(action: string, key: string): FileNeed | undefined {
  const need = new Map<string, FileNeed>(Object.entries(needs)).get(action)
  return (need === 'list' || need === 'makeBucket') === (key === '') ? need : undefined
}

/** `sticky`: kept by the sticky bit of its directory. */
export type FileRight = {
  readonly component: PathComponent
  readonly wanted: readonly Permission[]
  readonly answer: 'yes' | 'no' | 'sticky'
  readonly by: DecidedBy
  readonly missing: readonly Permission[]
}

/** One for each component of the path. */
export function fileRights(who: PosixIdentity, path: ObjectPath, need: FileNeed): readonly FileRight[] {
  return path.components.map((component, index) => {
    const wanted = wantedOf(path, index, need)
    const { by, missing } = askPermissions(who, component, wanted)
    const directory = path.components[index - 1]
    const isReplaced = need === 'replace' && path.kind === 'whole' && component.type === 'file'
    const isKept = isReplaced && directory !== undefined && isKeptBySticky(who, directory, component)
    const answer = isKept ? 'sticky' : missing.length > 0 ? 'no' : 'yes'
    return { component, wanted, answer, by, missing }
  })
}

const search: readonly Permission[] = ['search']
const change: readonly Permission[] = ['write', 'search']

/** Of what the key names. */
const ofLast: Readonly<Record<FileNeed, readonly Permission[]>> = {
  read: ['read'],
  amend: ['read', 'write'],
  replace: [],
  // Without search, a listing is empty.
  list: ['read'],
  makeBucket: change,
}

function wantedOf(path: ObjectPath, index: number, need: FileNeed): readonly Permission[] {
  const { kind, components } = path
  const { type } = components[index] ?? {}
  const behind = components.length - 1 - index
  if (kind === 'hidden') return search
  if (kind === 'older') return wantedForOlder(path, index, need)
  if (behind > 0) {
    const isParent = behind === 1 && kind === 'whole' && components.at(-1)?.type === 'file'
    return isParent && need === 'replace' ? change : search
  }
  // Something else stands where a directory is needed.
  if (kind === 'partial' && type !== 'directory') return []
  if (need === 'replace') return type === 'directory' ? change : ofLast.replace
  return kind === 'whole' ? ofLast[need] : search
}

/** The service reaches the version, and its own mode says who may read and change it; whoever removes one must be able to make names beside its key. */
function wantedForOlder({ components }: ObjectPath, index: number, need: FileNeed): readonly Permission[] {
  const behind = components.length - 1 - index
  if (need !== 'replace') return behind === 0 ? ofLast[need] : []
  if (behind === 0) return []
  return behind === 1 ? change : search
}
