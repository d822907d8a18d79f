/** What an administrator does to a domain: people come, go, move and forget their passwords. */
import { Attribute, Change, type Client, DN } from 'ldapts'
import pLimit from 'p-limit'
import { guidText, sidText } from './object-ids.ts'
import { domain } from './provisioned-domain.ts'

/** One value, several, or none, which removes the attribute. */
export type Attributes = Readonly<Record<string, string | readonly string[]>>

export type Account = {
  /** sAMAccountName and CN. */
  readonly name: string
  readonly dn: string
  /** objectGUID as Windows writes it: 8-4-4-4-12, the first three parts little-endian. */
  readonly guid: string
  /** S-1-5-21-… */
  readonly sid: string
}

export type User = Account & {
  /** name@lab.example.test, unless the attributes said otherwise. */
  readonly userPrincipalName: string
  readonly password: string
}

/** Users and groups are named by sAMAccountName; all lie in `ou`. Errors are those of ldapts. */
export type Administrator = {
  /** OU=People,… */
  readonly ou: string
  /** Enabled, with `password` (default: one that can be told from the name), a UPN and a mail address of the name. `attributes` win. */
  addUser(name: string, attributes?: Attributes, password?: string): Promise<User>
  /** @param members names of users and groups */
  addGroup(name: string, members?: readonly string[], attributes?: Attributes): Promise<Account>
  /** Throws NoSuchObjectError where there is none. */
  find(name: string): Promise<Account>
  disable(name: string): Promise<void>
  enable(name: string): Promise<void>
  /** The account ends at that time. Default: long ago. */
  expire(name: string, at?: Date): Promise<void>
  /** At the next logon, which until then fails. */
  mustChangePassword(name: string): Promise<void>
  /** After too many wrong passwords. */
  unlock(name: string): Promise<void>
  setPassword(name: string, password: string): Promise<void>
  setAttributes(name: string, attributes: Attributes): Promise<void>
  addMember(group: string, member: string): Promise<void>
  removeMember(group: string, member: string): Promise<void>
  /** Of a user or group; the UPN follows, the GUID and the SID stay. */
  rename(name: string, to: string): Promise<void>
  remove(name: string): Promise<void>
  /** Attributes of the domain itself: lockoutThreshold, lockoutDuration, … */
  setDomain(attributes: Attributes): Promise<void>
  /** Runs with no other work of this administrator under way. The work may not call the administrator. */
  exclusively<Result>(work: () => Promise<Result>): Promise<Result>
  close(): Promise<void>
}

/** Good for the domain's rules: upper and lower case, a digit, a sign, seven characters. */
const passwordOf = (name: string): string => `Passw0rd!${name}`

const PERSON = ['top', 'person', 'organizationalPerson', 'user']
const NORMAL_ACCOUNT = '512'
const DISABLED_ACCOUNT = '514'
const LONG_AGO = new Date('2019-04-18T18:40:00Z')
const UNIX_EPOCH_IN_FILE_TIME_MS = 11_644_473_600_000n

/** @param client a new one at each call */
export function openAdministrator(client: () => Client): Administrator {
  const ou = `OU=People,${domain.base}`
  const dnOf = (name: string) => new DN().addRDN({ CN: name }).toString().concat(',', ou)
  const { run, exclusively, close } = connection(client, ou)

  const modify = (dn: string, operation: 'add' | 'delete' | 'replace', attributes: Attributes) =>
    run((bound) =>
      bound.modify(
        dn,
        attributesOf(attributes).map((modification) => new Change({ operation, modification })),
      ),
    )
  const replace = (name: string, attributes: Attributes) => modify(dnOf(name), 'replace', attributes)
  const find = async (name: string): Promise<Account> => {
    const [entry] = await run((bound) => searchAccount(bound, dnOf(name)))
    if (!Buffer.isBuffer(entry?.objectGUID) || !Buffer.isBuffer(entry.objectSid)) throw new Error(`${name} has no SID.`)
    return { name, dn: dnOf(name), guid: guidText(entry.objectGUID), sid: sidText(entry.objectSid) }
  }

  return {
    ou,
    find,
    async addUser(name, attributes = {}, password = passwordOf(name)) {
      const userPrincipalName = `${name}@${domain.realm}`
      const defaults = { userPrincipalName, mail: userPrincipalName, userAccountControl: NORMAL_ACCOUNT }
      const entry = { objectClass: PERSON, sAMAccountName: name, ...defaults, ...attributes }
      const secret = new Attribute({ type: 'unicodePwd', values: [unicodePwd(password)] })
      await run((bound) => bound.add(dnOf(name), [...listed(entry), secret]))
      return { ...(await find(name)), userPrincipalName: String(entry.userPrincipalName), password }
    },
    async addGroup(name, members = [], attributes = {}) {
      const entry = { objectClass: ['top', 'group'], sAMAccountName: name, member: members.map(dnOf), ...attributes }
      await run((bound) => bound.add(dnOf(name), listed(entry)))
      return find(name)
    },
    disable: (name) => replace(name, { userAccountControl: DISABLED_ACCOUNT }),
    enable: (name) => replace(name, { userAccountControl: NORMAL_ACCOUNT }),
    expire: (name, at = LONG_AGO) => replace(name, { accountExpires: fileTime(at) }),
    mustChangePassword: (name) => replace(name, { pwdLastSet: '0' }),
    unlock: (name) => replace(name, { lockoutTime: '0' }),
    setPassword: (name, password) =>
      run((bound) => {
        const modification = new Attribute({ type: 'unicodePwd', values: [unicodePwd(password)] })
        return bound.modify(dnOf(name), new Change({ operation: 'replace', modification }))
      }),
    setAttributes: replace,
    addMember: (group, member) => modify(dnOf(group), 'add', { member: dnOf(member) }),
    removeMember: (group, member) => modify(dnOf(group), 'delete', { member: dnOf(member) }),
    async rename(name, to) {
      const [entry] = await run((bound) => searchAccount(bound, dnOf(name)))
      await run((bound) => bound.modifyDN(dnOf(name), dnOf(to)))
      const hasUpn = entry?.userPrincipalName !== undefined && [entry.userPrincipalName].flat().length > 0
      await replace(to, { sAMAccountName: to, ...(hasUpn && { userPrincipalName: `${to}@${domain.realm}` }) })
    },
    remove: (name) => run((bound) => bound.del(dnOf(name))),
    setDomain: (attributes) => modify(domain.base, 'replace', attributes),
    exclusively,
    close,
  }
}

/**
 * One operation at a time on one bound connection, opened when it is needed: a client of ldapts that is not connected yet never settles
 * one of several operations begun at once, and after a restart of the controller it comes back unbound.
 */
function connection(client: () => Client, ou: string) {
  const one = pLimit(1)
  let open: Client | undefined
  const drop = async () => {
    const dropped = open
    open = undefined
    await dropped?.unbind().catch(() => undefined)
  }
  const bound = async (): Promise<Client> => {
    if (open?.isConnected) return open
    await drop()
    open = client()
    await open.bind(domain.administrator.dn, domain.administrator.password)
    await open.add(ou, { objectClass: 'organizationalUnit' }).catch((error: unknown) => {
      if (!hasCode(error, ENTRY_ALREADY_EXISTS)) throw error
    })
    return open
  }
  return {
    run: <Result>(work: (bound: Client) => Promise<Result>): Promise<Result> =>
      one(async () => {
        try {
          return await work(await bound())
        } catch (error) {
          await drop()
          throw error
        }
      }),
    exclusively: <Result>(work: () => Promise<Result>): Promise<Result> => one(work),
    close: () => one(drop),
  }
}

const ENTRY_ALREADY_EXISTS = 68

const hasCode = (error: unknown, code: number): boolean =>
  error instanceof Error && 'code' in error && error.code === code

async function searchAccount(client: Client, dn: string) {
  const buffers = ['objectGUID', 'objectSid']
  const { searchEntries } = await client.search(dn, {
    scope: 'base',
    attributes: [...buffers, 'userPrincipalName'],
    explicitBufferAttributes: buffers,
  })
  return searchEntries
}

/** MS-ADTS 3.1.1.3.1.5.1: in quotation marks, UTF-16, little-endian. */
const unicodePwd = (password: string): Buffer => Buffer.from(`"${password}"`, 'utf16le')

/** 100 ns since 1601. */
const fileTime = (at: Date): string => ((BigInt(at.getTime()) + UNIX_EPOCH_IN_FILE_TIME_MS) * 10_000n).toString()

const attributesOf = (attributes: Attributes): Attribute[] =>
  Object.entries(attributes).map(([type, value]) => new Attribute({ type, values: [value].flat() }))

/** A new entry has no attribute without values. */
const listed = (attributes: Attributes) => attributesOf(attributes).filter(({ values }) => values.length > 0)
