/**
 * Users in a TOML file, for installations without a directory service. An administrator edits it with any editor:
 *
 *     [[users]]
 *     name = "alice"
 *     display_name = "Alice Example"
 *     id = "5f0c…"              # random, given by the gateway; the canonical id follows from it
 *     email = "alice@example.com"
 *     groups = ["staff"]
 *     uid = 1000
 *     gid = 1000
 *     supplementary_gids = [100]
 *     password = "scrypt:…"
 *     disabled = false
 */

import { createHash, randomBytes } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { parse, stringify } from 'smol-toml'
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'
import type { Identity } from '../identity.ts'
import { isErrno, writeDurably } from '../keys/durable-file.ts'
import type { ReportProblem } from './directory.ts'
import { hashPassword, PASSWORD_HASH, verifyPassword } from './password-hash.ts'
import type { User, Users } from './users.ts'

const PosixId = Type.Integer({ minimum: 0, maximum: 0xfffffffe })

const Entry = Type.Object(
  {
    name: Type.String({ pattern: '^[^\\s\\x00-\\x1f/:][^\\x00-\\x1f/:]{0,127}$' }),
    display_name: Type.Optional(Type.String()),
    id: Type.Optional(Type.String({ minLength: 1 })),
    canonical_id: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}$' })),
    email: Type.Optional(Type.String()),
    groups: Type.Optional(Type.Array(Type.String())),
    uid: Type.Optional(PosixId),
    gid: Type.Optional(PosixId),
    supplementary_gids: Type.Optional(Type.Array(PosixId)),
    password: Type.Optional(Type.String({ pattern: PASSWORD_HASH.source })),
    disabled: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)
const UsersFile = Type.Object({ users: Type.Optional(Type.Array(Entry)) }, { additionalProperties: false })
type Entry = Static<typeof Entry>

export type LocalUsers = Users & {
  listUsers(): Promise<readonly User[]>
}

export type LocalUsersOptions = {
  /** Absolute. A file that is not there yet has no users. */
  readonly path: string
  readonly problems?: ReportProblem | undefined
  /** How long the file is not looked at again. */
  readonly checkEveryMs?: number | undefined
}

type Loaded = {
  /** Inode, size and mtime of what was read, or of what could not be. */
  readonly stamp: string
  readonly users: ReadonlyMap<string, { readonly user: User; readonly password: string | undefined }>
}

/**
 * Rejects with a sentence where the file is broken at the start. Later a broken edit is reported, and what was good before stays
 * in force: a slip of an editor locks nobody out, and lets nobody in.
 */
export async function openLocalUsers({ path, problems, checkEveryMs = 1000 }: LocalUsersOptions): Promise<LocalUsers> {
  let loaded: Loaded = await load(path)
  let checkedMs = performance.now()
  let checking: Promise<void> | undefined

  async function check(): Promise<void> {
    const asked = performance.now()
    const stamp = await stampOf(path)
    if (stamp !== loaded.stamp) {
      try {
        if (stamp === ABSENT) throw new Error(`${path} is gone.`)
        loaded = await load(path)
      } catch (error) {
        loaded = { ...loaded, stamp }
        problems?.({ what: 'the file of users is broken; the last good one stays in force', path, cause: error })
      }
    }
    checkedMs = asked
  }

  async function current(): Promise<Loaded> {
    if (performance.now() - checkedMs >= checkEveryMs) {
      checking ??= check().finally(() => {
        checking = undefined
      })
      await checking
    }
    return loaded
  }

  const findByName = async (name: string) => (await current()).users.get(name)?.user
  const listUsers = async () => [...(await current()).users.values()].map(({ user }) => user)

  return {
    findUser: findByName,
    findByName,
    findByCanonicalId: async (id) => (await listUsers()).find(({ canonicalId }) => canonicalId === id),
    async findByEmail(address) {
      const wanted = address.toLowerCase()
      const [found, another] = (await listUsers()).filter(({ email }) => email?.toLowerCase() === wanted)
      return another === undefined ? found : undefined
    },
    async findByUid(uid) {
      const [found, another] = (await listUsers()).filter(({ posix }) => posix?.uid === uid)
      return another === undefined ? found : undefined
    },
    async findGroup(name) {
      return (await listUsers()).some(({ groups }) => groups.includes(name)) ? { name } : undefined
    },
    listUsers,
    async checkPassword(name, password) {
      const found = (await current()).users.get(name)
      const matches = await verifyPassword(password, found?.password)
      return matches && found?.user.disabled === false ? found.user : undefined
    },
    async close() {},
  }
}

const ABSENT = 'absent'

/** A file that cannot be looked at has a stamp as well: the trouble is reported once, by `load`. */
async function stampOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs } = await stat(path, { bigint: true })
    return `${ino}-${size}-${mtimeNs}`
  } catch (error) {
    return isErrno(error, 'ENOENT') ? ABSENT : `unreadable: ${error}`
  }
}

/** The stamp first: a file that changes meanwhile is read again. */
async function load(path: string): Promise<Loaded> {
  const stamp = await stampOf(path)
  if (stamp === ABSENT) return { stamp, users: new Map() }
  return { stamp, users: usersOf(parseUsers(await readFile(path, 'utf8'), path), path) }
}

function parseUsers(text: string, path: string): readonly Entry[] {
  const value: unknown = parse(text)
  if (Value.Check(UsersFile, value)) return value.users ?? []
  const [first] = Value.Errors(UsersFile, value)
  throw new Error(`${path}: ${first?.instancePath || 'the file'} ${first?.message ?? 'is wrong'}`)
}

/** Throws where two users share a name or a canonical id: one would own the other's objects. */
function usersOf(users: readonly Entry[], path: string): Loaded['users'] {
  const byName = new Map<string, { user: User; password: string | undefined }>()
  const canonicalIds = new Set<string>()
  for (const entry of users) {
    const user = localUserOf(entry, path)
    if (byName.has(user.userName)) throw new Error(`${path}: there are two users named "${user.userName}".`)
    if (canonicalIds.has(user.canonicalId)) throw new Error(`${path}: two users have the id of "${user.userName}".`)
    byName.set(user.userName, { user, password: entry.password })
    canonicalIds.add(user.canonicalId)
  }
  return byName
}

function localUserOf(entry: Entry, path: string): User {
  const { name, uid, gid } = entry
  if ((uid === undefined) !== (gid === undefined)) {
    throw new Error(`${path}: the user "${name}" needs both uid and gid, or neither.`)
  }
  return {
    id: name,
    userName: name,
    displayName: entry.display_name ?? name,
    canonicalId: entry.canonical_id ?? canonicalIdOf(entry),
    email: entry.email,
    groups: entry.groups ?? [],
    posix: uid === undefined || gid === undefined ? undefined : { uid, gid, groups: entry.supplementary_gids ?? [] },
    disabled: entry.disabled ?? false,
  }
}

/** From the random id of the user. One written by hand without any follows from the name, so a rename makes another user. */
function canonicalIdOf({ id, name }: Entry): string {
  return createHash('sha256')
    .update(id === undefined ? `causeway user named ${name}` : `causeway user ${id}`)
    .digest('hex')
}

export type NewLocalUser = {
  readonly name: string
  readonly displayName?: string | undefined
  readonly canonicalId?: string | undefined
  readonly email?: string | undefined
  readonly groups?: readonly string[] | undefined
  readonly posix?: Identity['posix']
  readonly password?: string | undefined
}

/**
 * Adds a user at the end of the file, which is made where there is none; what stands in it, comments included, stays.
 * Rejects with a sentence where the file would be broken by it, e.g. a name that is taken.
 */
export async function createLocalUser(path: string, user: NewLocalUser): Promise<User> {
  const before = await readOrEmpty(path)
  const entry = {
    name: user.name,
    id: randomBytes(16).toString('hex'),
    ...(user.displayName !== undefined && { display_name: user.displayName }),
    ...(user.canonicalId !== undefined && { canonical_id: user.canonicalId }),
    ...(user.email !== undefined && { email: user.email }),
    ...(user.groups !== undefined && { groups: [...user.groups] }),
    ...(user.posix && { uid: user.posix.uid, gid: user.posix.gid, supplementary_gids: [...user.posix.groups] }),
    ...(user.password !== undefined && { password: await hashPassword(user.password) }),
  }
  const gap = before === '' || before.endsWith('\n') ? '' : '\n'
  const text = `${before}${gap}${before === '' ? '' : '\n'}${stringify({ users: [entry] })}`
  const created = usersOf(parseUsers(text, path), path).get(user.name)
  if (created === undefined) throw new Error(`${path}: the user "${user.name}" could not be added.`)
  await writeDurably(path, text, before === '' ? 'create' : 'replace')
  return created.user
}

async function readOrEmpty(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return ''
    throw error
  }
}
