/**
 * What a request asks an ACL to be: by a canned name or x-amz-grant-* headers (P-182), or by a document (P-183). Who is named is looked up
 * before anything is done, so that an ACL never holds somebody who is not there.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html
 */

import type { Static } from 'typebox'
import {
  type AclOwner,
  ALL_USERS,
  AUTHENTICATED_USERS,
  cannedAcl,
  type Grant,
  LOG_DELIVERY,
  type Permission,
} from '#auth'
import { GatewayError } from './gateway-error.ts'
import type { S3Headers } from './s3-request.ts'
import type { AccessControlPolicy } from './shapes.ts'

/** A canned name says who gets what only when it is known whose the thing is. */
export type AskedAcl =
  | { readonly canned: string }
  | {
      readonly grants: readonly Grant[]
      /** That a document names. */
      readonly ownerId?: string
    }

type Owners = Parameters<typeof cannedAcl>[1]
type Found = { readonly canonicalId: string; readonly displayName: string }
type Users = { readonly [Way in 'findByCanonicalId' | 'findByEmail']: (name: string) => Promise<Found | undefined> }

/** In the order in which their grants stand in the ACL. */
const grantHeaders: ReadonlyMap<string, Permission> = new Map([
  ['x-amz-grant-read', 'READ'],
  ['x-amz-grant-write', 'WRITE'],
  ['x-amz-grant-read-acp', 'READ_ACP'],
  ['x-amz-grant-write-acp', 'WRITE_ACP'],
  ['x-amz-grant-full-control', 'FULL_CONTROL'],
])
const permissions: ReadonlySet<string> = new Set(grantHeaders.values())
const groups: ReadonlySet<string> = new Set([ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY])
const GRANTS_MAX = 100

/** undefined: the headers say nothing. Throws InvalidRequest, InvalidArgument, UnresolvableGrantByEmailAddress. */
export async function aclOfHeaders(headers: S3Headers, users: Users): Promise<AskedAcl | undefined> {
  const canned = headers.get('x-amz-acl')
  const granting = headers.startingWith('x-amz-grant-')
  if (canned !== undefined && granting.length > 0) {
    const message = 'Specifying both Canned ACLs and Header Grants is not allowed'
    throw new GatewayError('InvalidRequest', { message })
  }
  if (canned !== undefined) return { canned }
  if (granting.length === 0) return undefined
  for (const [name, value] of granting) if (!grantHeaders.has(name)) throw notRecognized(name, value)
  const named = [...grantHeaders].flatMap(([name, permission]) =>
    granteesOf(name, headers.get(name)).map((grantee) => ({ grantee, permission })),
  )
  return { grants: await resolved(named, users) }
}

/** Throws MalformedACLError, InvalidArgument, UnresolvableGrantByEmailAddress. */
export async function aclOfDocument(
  { Owner, AccessControlList }: Static<typeof AccessControlPolicy>,
  users: Users,
): Promise<AskedAcl> {
  if (!Owner?.ID || AccessControlList === undefined) throw new GatewayError('MalformedACLError')
  const named = AccessControlList.Grant.map(({ Grantee, Permission }) => {
    const type = granteeTypes.get(Grantee?.['xsi:type'] ?? '')
    const value = type && Grantee?.[type.element]
    if (type === undefined || !value || !isPermission(Permission)) throw new GatewayError('MalformedACLError')
    return { grantee: { by: type.by, value, argument: type.argument }, permission: Permission }
  })
  return { grants: await resolved(named, users), ownerId: Owner.ID }
}

/** The owner may be a group, which no directory finds by its canonical id; an ACL that was read with it can be written back. */
export function knowingOwner(users: Users, owner: Found): Users {
  const { findByEmail } = users
  return {
    findByEmail,
    findByCanonicalId: async (id) => (id === owner.canonicalId ? owner : users.findByCanonicalId(id)),
  }
}

/**
 * The ACL of a thing with these owners; `bucketOwner` where it is an object's. Throws InvalidArgument for a canned name that is none,
 * AccessDenied where the document names another owner: an ACL cannot give a thing away.
 */
export function grantsOf(asked: AskedAcl, owners: Owners): readonly Grant[] {
  if ('canned' in asked) {
    const grants = cannedAcl(asked.canned, owners)
    if (grants === undefined) throw invalidArgument('', 'x-amz-acl', asked.canned)
    return grants
  }
  if (asked.ownerId !== undefined && asked.ownerId !== owners.owner.canonicalId) {
    // AWS tells an id that nobody can have from somebody else's.
    if (!/^[0-9a-f]{64}$/.test(asked.ownerId)) throw invalidArgument('Invalid id', 'CanonicalUser/ID', asked.ownerId)
    throw new GatewayError('AccessDenied')
  }
  return asked.grants
}

/** What everything has that nobody has given an ACL. */
export function ownerOnly({ canonicalId, displayName }: AclOwner): readonly Grant[] {
  return [{ grantee: { kind: 'user', canonicalId, displayName }, permission: 'FULL_CONTROL' }]
}

/** Just FULL_CONTROL for them, and nothing for anybody else. */
export function isOwnerOnly(grants: readonly Grant[], { canonicalId }: AclOwner): boolean {
  const [only, another] = grants
  return another === undefined && only?.permission === 'FULL_CONTROL' && isTo(only, canonicalId)
}

/** Whether anybody but them gets anything. */
export function grantsOthers(grants: readonly Grant[], { canonicalId }: AclOwner): boolean {
  return grants.some((grant) => !isTo(grant, canonicalId))
}

function isTo({ grantee }: Grant, canonicalId: string): boolean {
  return grantee.kind === 'user' && grantee.canonicalId === canonicalId
}

type By = 'id' | 'uri' | 'emailAddress'
/** `argument`: what errors call it. */
type Grantee = { readonly by: By; readonly value: string; readonly argument: string }
type Named = { readonly grantee: Grantee; readonly permission: Permission }

type GranteeType = {
  /** That holds the name. */
  readonly element: 'ID' | 'URI' | 'EmailAddress'
  readonly by: By
  readonly argument: string
}

const granteeTypes: ReadonlyMap<string, GranteeType> = new Map<string, GranteeType>([
  ['CanonicalUser', { element: 'ID', by: 'id', argument: 'CanonicalUser/ID' }],
  ['Group', { element: 'URI', by: 'uri', argument: 'Group/URI' }],
  ['AmazonCustomerByEmail', { element: 'EmailAddress', by: 'emailAddress', argument: 'EmailAddress' }],
])

/** `id="…", emailAddress=…, uri="…"` (P-182); quotes may be left out. */
function granteesOf(argument: string, header: string | undefined): readonly Grantee[] {
  if (header === undefined) return []
  return header.split(',').map((text) => {
    const [, by, quoted, bare] = /^\s*(id|uri|emailAddress)\s*=\s*(?:"([^"]+)"|([^"\s]+))\s*$/i.exec(text) ?? []
    const found = (['id', 'uri', 'emailAddress'] as const).find((each) => each.toLowerCase() === by?.toLowerCase())
    const value = quoted ?? bare
    if (found === undefined || value === undefined) throw notRecognized(argument, header)
    return { by: found, value, argument }
  })
}

async function resolved(named: readonly Named[], users: Users): Promise<readonly Grant[]> {
  if (named.length > GRANTS_MAX) {
    throw new GatewayError('MalformedACLError', { message: `An ACL can have at most ${GRANTS_MAX} grants` })
  }
  return Promise.all(
    named.map(async ({ grantee, permission }) => ({
      grantee: await resolvers[grantee.by](grantee, users),
      permission,
    })),
  )
}

const resolvers: Readonly<Record<By, (grantee: Grantee, users: Users) => Promise<Grant['grantee']>>> = {
  async id({ value, argument }, users) {
    const user = await users.findByCanonicalId(value)
    if (user === undefined) throw invalidArgument('Invalid id', argument, value)
    return { kind: 'user', canonicalId: user.canonicalId, displayName: user.displayName }
  },
  async emailAddress({ value }, users) {
    const user = await users.findByEmail(value)
    if (user === undefined) throw new GatewayError('UnresolvableGrantByEmailAddress', { EmailAddress: value })
    return { kind: 'user', canonicalId: user.canonicalId, displayName: user.displayName }
  },
  async uri({ value, argument }) {
    if (!groups.has(value)) throw invalidArgument('Invalid group uri', argument, value)
    return { kind: 'group', uri: value }
  },
}

function isPermission(text: string | undefined): text is Permission {
  return text !== undefined && permissions.has(text)
}

function notRecognized(name: string, value: string): GatewayError {
  return invalidArgument('Argument format not recognized', name, value)
}

function invalidArgument(message: string, name: string, value: string): GatewayError {
  const said = { ArgumentName: name, ArgumentValue: value }
  return new GatewayError('InvalidArgument', message === '' ? said : { message, ...said })
}
