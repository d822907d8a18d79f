/**
 * The questions that are put to the domain. What clients send goes into filter objects, never into the text of a filter; ldapts sends text
 * escapes of bytes from 0x80 on wrongly besides.
 */
import { AndFilter, type Entry, EqualityFilter, type Filter, OrFilter, type SearchOptions } from 'ldapts'
import { ACCOUNT_ATTRIBUTES, type Account, accountOf, BINARY_ATTRIBUTES } from './account.ts'
import type { SearchAnswer } from './ldap-connection.ts'
import { isObjectGuid, objectGuidText } from './object-guid.ts'
import { objectSidBytes, objectSidText } from './object-sid.ts'

export type Search = (baseDn: string, options: SearchOptions) => Promise<SearchAnswer>

/** What was found, and over which connection. */
export type Answer<Value> = { readonly value: Value; readonly connection: number }

export type Group = { readonly name: string; readonly gidNumber: number | undefined }

/** Where a controller stands. Update sequence numbers are its own, so they say nothing beside another one's name. */
export type Position = { readonly controller: string; readonly usn: string }

export type Domain = {
  readonly dn: string
  readonly sid: string
  /** Of the names with the domain in them: `LAB\alice`, `alice@lab.example.test`. */
  readonly netbiosName: string
  readonly dnsName: string
}

const equals = (attribute: string, value: string | Buffer) => new EqualityFilter({ attribute, value })
const all = (filters: Filter[]) => new AndFilter({ filters })
const any = (filters: Filter[]) => new OrFilter({ filters })

/** Computers are of class user, too. */
const isPerson = () => [equals('objectCategory', 'person'), equals('objectClass', 'user')]

/** 0.3 ms and no right needed: moves with every change but the passing of time. */
export async function readPosition(search: Search): Promise<Answer<Position>> {
  const { entries, connection } = await search('', {
    scope: 'base',
    attributes: ['dsServiceName', 'highestCommittedUSN'],
  })
  const [entry] = entries
  return { value: { controller: text(entry, 'dsServiceName'), usn: text(entry, 'highestCommittedUSN') }, connection }
}

/** One round trip, flat in the size of the directory. undefined: deleted, or no user. */
export async function readAccount(search: Search, objectGuid: string): Promise<Answer<Account | undefined>> {
  if (!isObjectGuid(objectGuid)) throw new Error(`no objectGUID: ${objectGuid}`)
  const { entries, connection } = await search(`<GUID=${objectGuid}>`, {
    scope: 'base',
    filter: all(isPerson()),
    attributes: ACCOUNT_ATTRIBUTES,
    explicitBufferAttributes: BINARY_ATTRIBUTES,
  })
  const [entry] = entries
  return { value: entry && accountOf(entry), connection }
}

/** Those of the groups that the domain knows, by SID. */
export async function readGroups(
  search: Search,
  baseDn: string,
  sids: readonly string[],
): Promise<Answer<ReadonlyMap<string, Group>>> {
  const { entries, connection } = await search(baseDn, {
    scope: 'sub',
    filter: any(sids.map((sid) => equals('objectSid', objectSidBytes(sid)))),
    attributes: ['objectSid', 'sAMAccountName', 'gidNumber'],
    explicitBufferAttributes: ['objectSid'],
  })
  const groups = entries.map((entry): [string, Group] => {
    const gid = text(entry, 'gidNumber')
    return [
      objectSidText(bytes(entry, 'objectSid')),
      { name: text(entry, 'sAMAccountName'), gidNumber: gid === '' ? undefined : Number(gid) },
    ]
  })
  return { value: new Map(groups), connection }
}

/** undefined also where several users have the value: nobody is taken for somebody else. */
export async function findObjectGuid(
  search: Search,
  baseDn: string,
  attribute: 'sAMAccountName' | 'userPrincipalName' | 'mail' | 'uidNumber' | 'objectSid',
  value: string | Buffer,
): Promise<string | undefined> {
  const { entries } = await search(baseDn, {
    scope: 'sub',
    // What has few first: Samba reads the index from the left, and that of all persons is as long as the domain has people.
    filter: all([equals(attribute, value), ...isPerson()]),
    attributes: ['objectGUID'],
    explicitBufferAttributes: ['objectGUID'],
  })
  const [found, another] = entries
  return found === undefined || another !== undefined ? undefined : objectGuidText(bytes(found, 'objectGUID'))
}

/** By sAMAccountName or SID. undefined also where several groups have the name. */
export async function findGroup(
  search: Search,
  baseDn: string,
  name: string,
): Promise<{ readonly name: string; readonly sid: string } | undefined> {
  const isSid = /^S-1-\d+(?:-\d+)+$/.test(name)
  const { entries } = await search(baseDn, {
    scope: 'sub',
    filter: all([
      isSid ? equals('objectSid', objectSidBytes(name)) : equals('sAMAccountName', name),
      equals('objectCategory', 'group'),
    ]),
    attributes: ['objectSid', 'sAMAccountName'],
    explicitBufferAttributes: ['objectSid'],
  })
  const [found, another] = entries
  if (found === undefined || another !== undefined) return undefined
  return { name: text(found, 'sAMAccountName'), sid: objectSidText(bytes(found, 'objectSid')) }
}

export async function readDomain(search: Search): Promise<Domain> {
  const root = await search('', { scope: 'base', attributes: ['configurationNamingContext', 'defaultNamingContext'] })
  const [rootDse] = root.entries
  const dn = text(rootDse, 'defaultNamingContext')
  const head = await search(dn, { scope: 'base', attributes: ['objectSid'], explicitBufferAttributes: ['objectSid'] })
  const { entries } = await search(`CN=Partitions,${text(rootDse, 'configurationNamingContext')}`, {
    scope: 'one',
    filter: equals('nCName', dn),
    attributes: ['nETBIOSName', 'dnsRoot'],
  })
  const [entry] = entries
  const [self] = head.entries
  if (self === undefined) throw new Error(`The directory does not tell of ${dn}.`)
  return {
    dn,
    sid: objectSidText(bytes(self, 'objectSid')),
    netbiosName: text(entry, 'nETBIOSName'),
    dnsName: text(entry, 'dnsRoot'),
  }
}

function text(entry: Entry | undefined, attribute: string): string {
  const [value] = [entry?.[attribute] ?? []].flat()
  return value?.toString() ?? ''
}

function bytes(entry: Entry, attribute: string): Buffer {
  const [value] = [entry[attribute] ?? []].flat()
  if (!Buffer.isBuffer(value)) throw new Error(`${entry.dn} has no ${attribute}.`)
  return value
}
