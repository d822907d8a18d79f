/** Users of an Active Directory domain: LDAPS to its controllers, objectGUID as the id of a user. */
import { randomUUID } from 'node:crypto'
import type { SearchOptions } from 'ldapts'
import pLimit, { type LimitFunction } from 'p-limit'
import { AuthError } from '../../errors.ts'
import { type PosixIdOptions, type PosixIds, posixIds } from '../posix-id.ts'
import { type UidQueries, uidQueries } from '../uid-query.ts'
import type { User, Users } from '../users.ts'
import { type Block, type BlockPolicy, blockOf } from './account.ts'
import { type ControllerEvent, controllersOf } from './controllers.ts'
import { knownUids } from './known-uids.ts'
import { type Facts, type KnownGroups, type KnownUsersEvent, knownUsers } from './known-users.ts'
import { type LdapCredentials, LdapUnreachable, ldapConnection } from './ldap-connection.ts'
import { canonicalIdOf, isObjectGuid, objectGuidOf } from './object-guid.ts'
import { objectSidBytes } from './object-sid.ts'
import { mayTryPassword, readTrials } from './password-trials.ts'
import {
  type Answer,
  type Domain,
  findGroup,
  findObjectGuid,
  type Group,
  readAccount,
  readDomain,
  readGroups,
  readPosition,
  type Search,
} from './queries.ts'
import { nameQueries } from './user-name.ts'

export type ActiveDirectoryEvent =
  | ControllerEvent
  | Exclude<KnownUsersEvent, { kind: 'read again' }>
  | { readonly kind: 'asked'; readonly question: Question; readonly seconds: number; readonly answered: boolean }
  /** It has answered, but not with what is needed: the bind account may not read it, or base_dn is another domain's. */
  | { readonly kind: 'failed'; readonly cause: unknown }
  /** Somebody whose keys worked: they no longer do, or the user is in fewer groups. */
  | { readonly kind: 'revoked'; readonly objectGuid: string; readonly userName: string; readonly why: Revocation }

export type Question = 'position' | 'account' | 'groups' | 'name' | 'email' | 'uid' | 'domain' | 'trials' | 'password'
export type Revocation = Block | 'deleted' | 'left groups'

export type OneAtATime = <Result>(name: string, work: () => Promise<Result>) => Promise<Result>

export type ActiveDirectoryUsersOptions = BlockPolicy & {
  /** ldaps:// URLs, the preferred controller first. */
  readonly servers: readonly string[]
  readonly readCredentials: () => Promise<LdapCredentials>
  /** Of the domain: DC=lab,DC=example,DC=test. */
  readonly baseDn: string
  readonly staleGraceMs: number
  readonly posixIds: PosixIdOptions
  /** Runs one piece of work for a name at a time, on whichever worker or machine. Default: in this process. */
  readonly oneTrialAtATime?: OneAtATime | undefined
  readonly events?: ((event: ActiveDirectoryEvent) => void) | undefined
  readonly pollEveryMs?: number | undefined
  readonly connectTimeoutMs?: number | undefined
  readonly answerTimeoutMs?: number | undefined
  readonly now?: (() => Date) | undefined
}

/** A filter of SIDs that controllers take without complaint; they answer at most 1,000 entries. */
const SIDS_PER_QUERY = 200

/** Equal to no connection, itself included. */
const SEVERAL = Number.NaN

/**
 * Nothing is awaited: a gateway starts while no controller answers, and what needs one rejects with ServiceUnavailable until then. Passwords
 * are tried by the controller, on a connection of their own each.
 */
export function openActiveDirectoryUsers(options: ActiveDirectoryUsersOptions): Users {
  const { baseDn, events, pollEveryMs = 1000, now = () => new Date() } = options
  const { readCredentials, connectTimeoutMs, answerTimeoutMs, oneTrialAtATime = oneAtATimeHere() } = options
  const controllers = controllersOf(
    options.servers.map((url) => ({
      url,
      connection: ldapConnection({ url, readCredentials, connectTimeoutMs, answerTimeoutMs }),
    })),
    { ...(events && { events }) },
  )
  const ask = <Result>(question: Question, work: (search: Search) => Promise<Result>): Promise<Result> =>
    measured(events, question, () => work((dn: string, search: SearchOptions) => controllers.search(dn, search)))
  const known = knownUsers({
    read: (objectGuid, groups) => readFacts(objectGuid, groups).catch(toldWith),
    readPosition: () => ask('position', readPosition),
    graceMs: options.staleGraceMs,
    events: (event) => {
      if (event.kind !== 'read again') events?.(event)
      else tellRevocation(event.before, event.after)
    },
  })
  /** Known users go on then, so it is not for the one who asks to tell. */
  function toldWith(cause: unknown): never {
    if (!(cause instanceof LdapUnreachable)) events?.({ kind: 'failed', cause })
    throw cause
  }
  const stopPolling = repeat(pollEveryMs, async () => {
    const revived = controllers.revive()
    if (!known.isReachable()) await revived
    await known.poll()
  })
  const uids = knownUids({ read: guidOfUid, graceMs: options.staleGraceMs })
  let domain: Promise<Domain> | undefined
  let posix: PosixIds | undefined
  let uidQuery: UidQueries | undefined

  async function readFacts(objectGuid: string, groups: KnownGroups | undefined): Promise<Answer<Facts | undefined>> {
    const { value: account, connection } = await ask('account', (search) => readAccount(search, objectGuid))
    if (account === undefined) return { value: undefined, connection }
    const usable = groups?.connection === connection ? groups.bySid : new Map<string, Group | undefined>()
    const missing = account.groupSids.filter((sid) => !usable.has(sid))
    const answers = await Promise.all(
      chunks(missing, SIDS_PER_QUERY).map((sids) => ask('groups', (search) => readGroups(search, baseDn, sids))),
    )
    const isOneController = answers.every((answer) => answer.connection === connection)
    const found = new Map(answers.flatMap(({ value }) => [...value]))
    if (isOneController) for (const sid of missing) usable.set(sid, found.get(sid))
    const named = account.groupSids.flatMap((sid) => {
      const group = found.get(sid) ?? usable.get(sid)
      return group === undefined ? [] : [{ ...group, sid }]
    })
    // Those that this controller cannot name too, e.g. of another domain: their SIDs are enough for a gid.
    const numbered = account.groupSids.map((sid) => ({
      sid,
      gidNumber: (found.get(sid) ?? usable.get(sid))?.gidNumber,
    }))
    const posix = posixIdsOf(account.sid)({ ...account, groups: numbered })
    return { value: { account, groups: named, posix }, connection: isOneController ? connection : SEVERAL }
  }

  /** All users are of the domain that the controllers are of, so the first one's SID tells which. */
  function posixIdsOf(sid: string): PosixIds {
    posix ??= posixIds(options.posixIds, sid.slice(0, sid.lastIndexOf('-')))
    return posix
  }

  function tellRevocation(before: Facts, after: Facts | undefined): void {
    const { objectGuid, name: userName, groupSids } = before.account
    const nowMs = now().getTime()
    if (blockOf(before.account, options, nowMs) !== undefined) return
    const kept = new Set(after?.account.groupSids)
    const why = after === undefined ? 'deleted' : blockOf(after.account, options, nowMs)
    const left = groupSids.some((sid) => !kept.has(sid)) ? 'left groups' : undefined
    if (why !== undefined || left !== undefined)
      events?.({ kind: 'revoked', objectGuid, userName, why: why ?? left ?? 'deleted' })
  }

  async function findUser(id: string): Promise<User | undefined> {
    if (!isObjectGuid(id)) return undefined
    const facts = await known.find(id)
    return facts && userOf(facts, options, now().getTime())
  }

  function domainNames(): Promise<Domain> {
    domain ??= ask('domain', readDomain).catch((error: unknown) => {
      domain = undefined
      throw error
    })
    return domain
  }

  async function guidOfName(name: string): Promise<string | undefined> {
    for (const { attribute, value } of nameQueries(name, await domainNames())) {
      const found = await ask('name', (search) => findObjectGuid(search, baseDn, attribute, value)).catch(toldWith)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** Of somebody who has it as the configuration has it: a uidNumber without a gid is none. */
  async function guidOfUid(uid: number): Promise<string | undefined> {
    uidQuery ??= uidQueries(options.posixIds, (await domainNames()).sid)
    const query = uidQuery(uid)
    if (query === undefined) return undefined
    const value = query.attribute === 'objectSid' ? objectSidBytes(query.value) : query.value
    const objectGuid = await ask('uid', (search) => findObjectGuid(search, baseDn, query.attribute, value)).catch(
      toldWith,
    )
    const user = objectGuid === undefined ? undefined : await findUser(objectGuid)
    return user?.posix?.uid === uid ? objectGuid : undefined
  }

  async function findByUid(uid: number): Promise<User | undefined> {
    const objectGuid = await uids.find(uid)
    if (objectGuid === undefined) return undefined
    const user = await findUser(objectGuid)
    if (user?.posix?.uid === uid) return user
    // Deleted since, or of another number.
    uids.forget(uid)
    const another = await uids.find(uid)
    return another === undefined ? undefined : findUser(another)
  }

  async function checkPassword(name: string, password: string): Promise<User | 'throttled' | undefined> {
    if (password === '') return undefined
    const objectGuid = await guidOfName(name)
    const account = objectGuid && (await ask('account', (search) => readAccount(search, objectGuid))).value
    if (!account) {
      // An unknown name costs a bind as well, so that the time does not tell who there is; nobody's count of wrong passwords moves.
      await tryPassword(`CN=${randomUUID()},${baseDn}`, password)
      return undefined
    }
    if (!(await mayTry(account.objectGuid))) return 'throttled'
    // Many at once would all see the same count, here and on other machines.
    const matches = await oneTrialAtATime(account.objectGuid, async () =>
      (await mayTry(account.objectGuid)) ? tryPassword(account.dn, password) : 'throttled',
    )
    if (matches === 'throttled') return matches
    const user = matches ? await findUser(account.objectGuid) : undefined
    return user?.disabled === false ? user : undefined
  }

  function tryPassword(dn: string, password: string): Promise<boolean> {
    return measured(events, 'password', () => controllers.checkPassword(dn, password))
  }

  async function mayTry(objectGuid: string): Promise<boolean> {
    const { dn } = await domainNames()
    const { count, policy, nowMs } = await ask('trials', (search) => readTrials(search, dn, objectGuid)).catch(toldWith)
    return mayTryPassword(count, policy, nowMs ?? now().getTime())
  }

  return {
    findUser: (id) => available(() => findUser(id)),
    findByName: (name) =>
      available(async () => {
        const objectGuid = await guidOfName(name)
        return objectGuid === undefined ? undefined : findUser(objectGuid)
      }),
    findByCanonicalId: (canonicalId) => available(() => findUser(objectGuidOf(canonicalId) ?? '')),
    findByEmail: (address) =>
      available(async () => {
        if (address === '' || address.length > ADDRESS_CHARACTERS_MAX || address.includes('\0')) return undefined
        const objectGuid = await ask('email', (search) => findObjectGuid(search, baseDn, 'mail', address)).catch(
          toldWith,
        )
        return objectGuid === undefined ? undefined : findUser(objectGuid)
      }),
    findByUid: (uid) => available(() => findByUid(uid)),
    findGroup: (name) =>
      available(async () => {
        if (name === '' || name.length > ADDRESS_CHARACTERS_MAX || name.includes('\0')) return undefined
        // `LAB\staff`, as a user may be spelled, too.
        const [query] = name.includes('\\') ? nameQueries(name, await domainNames()) : [{ value: name }]
        return query && ask('groups', (search) => findGroup(search, baseDn, query.value)).catch(toldWith)
      }),
    checkPassword: (name, password) => available(() => checkPassword(name, password)),
    async close() {
      await stopPolling()
      await controllers.close()
    },
  }
}

/** RFC 5321 allows 254. */
const ADDRESS_CHARACTERS_MAX = 1024

function userOf({ account, groups, posix }: Facts, policy: BlockPolicy, nowMs: number): User {
  return {
    id: account.objectGuid,
    userName: account.name,
    displayName: account.displayName,
    canonicalId: canonicalIdOf(account.objectGuid),
    email: account.email,
    groups: groups.map(({ name }) => name),
    sid: account.sid,
    groupSids: account.groupSids,
    posix: posix.posix,
    whyNoPosix: posix.posix === undefined ? posix.reason : undefined,
    disabled: blockOf(account, policy, nowMs) !== undefined,
  }
}

/** Whatever keeps the directory from answering: who asked cannot be told anything else than to come again. */
async function available<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (cause) {
    throw new AuthError(
      'ServiceUnavailable',
      { message: 'The user directory does not answer. Please try again.' },
      { cause },
    )
  }
}

async function measured<Result>(
  events: ActiveDirectoryUsersOptions['events'],
  question: Question,
  work: () => Promise<Result>,
): Promise<Result> {
  const begunMs = performance.now()
  const tell = (answered: boolean) =>
    events?.({ kind: 'asked', question, seconds: (performance.now() - begunMs) / 1000, answered })
  try {
    const result = await work()
    tell(true)
    return result
  } catch (error) {
    tell(false)
    throw error
  }
}

function oneAtATimeHere(): OneAtATime {
  const limits = new Map<string, LimitFunction>()
  return async (name, work) => {
    const limit = limits.get(name) ?? pLimit(1)
    limits.set(name, limit)
    try {
      return await limit(work)
    } finally {
      if (limit.activeCount + limit.pendingCount === 0) limits.delete(name)
    }
  }
}

/** At once, and then every so often, never beside itself. The answer stops it and waits for the last one. */
function repeat(everyMs: number, work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined
  const once = () => {
    running ??= work().finally(() => {
      running = undefined
    })
  }
  once()
  const timer = setInterval(once, everyMs).unref()
  return async () => {
    clearInterval(timer)
    await running
  }
}

function chunks<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  )
}
