import { describe, expect, it } from 'vitest'
import { ALL_USERS, type Grant } from '#auth'
import { aclOfDocument, aclOfHeaders, grantsOf, grantsOthers, isOwnerOnly, ownerOnly } from './acl.ts'
import { alice, bob, headersOf } from './operations/testing/call-operation.ts'
import { AccessControlPolicy } from './shapes.ts'
import { readXml } from './xml.ts'

const users = {
  findByCanonicalId: async (id: string) => [alice, bob].find(({ canonicalId }) => canonicalId === id),
  findByEmail: async (address: string) => [alice, bob].find(({ email }) => email === address),
}

const grantTo = (user: typeof alice, permission: Grant['permission']): Grant => ({
  grantee: { kind: 'user', canonicalId: user.canonicalId, displayName: user.displayName },
  permission,
})
const toAll: Grant = { grantee: { kind: 'group', uri: ALL_USERS }, permission: 'READ' }

describe('headers', () => {
  const read = (headers: Record<string, string>) => aclOfHeaders(headersOf(headers), users)

  it('that say nothing are no ACL', async () => {
    expect(await read({ 'content-type': 'text/plain' })).toBeUndefined()
  })

  it.each([
    `id="${bob.canonicalId}", uri="${ALL_USERS}"`,
    `id=${bob.canonicalId},uri=${ALL_USERS}`,
    `emailAddress="bob@example.com",  URI = "${ALL_USERS}" `,
  ])('grant to users and groups, with and without quotes: %s (P-182)', async (value) => {
    expect(await read({ 'x-amz-grant-read': value })).toEqual({ grants: [grantTo(bob, 'READ'), toAll] })
  })

  it('of all five permissions stand in S3’s order', async () => {
    const id = `id=${bob.canonicalId}`
    const names = ['full-control', 'write-acp', 'read-acp', 'write', 'read']
    const asked = await read(Object.fromEntries(names.map((name) => [`x-amz-grant-${name}`, id])))
    expect(asked).toEqual({
      grants: (['READ', 'WRITE', 'READ_ACP', 'WRITE_ACP', 'FULL_CONTROL'] as const).map((each) => grantTo(bob, each)),
    })
  })

  it.each<[Record<string, string>, string, string]>([
    [{ 'x-amz-acl': 'private', 'x-amz-grant-read': `id=${bob.canonicalId}` }, 'InvalidRequest', 'not allowed'],
    [{ 'x-amz-grant-read': '' }, 'InvalidArgument', 'Argument format not recognized'],
    [{ 'x-amz-grant-read': bob.canonicalId }, 'InvalidArgument', 'Argument format not recognized'],
    [{ 'x-amz-grant-read': 'id=""' }, 'InvalidArgument', 'Argument format not recognized'],
    [{ 'x-amz-grant-read': `id="${bob.canonicalId}",` }, 'InvalidArgument', 'Argument format not recognized'],
    [{ 'x-amz-grant-read': 'name="bob"' }, 'InvalidArgument', 'Argument format not recognized'],
    [{ 'x-amz-grant-everything': `id=${bob.canonicalId}` }, 'InvalidArgument', 'Argument format not recognized'],
    [{ 'x-amz-grant-read': 'id="nobody"' }, 'InvalidArgument', 'Invalid id'],
    [{ 'x-amz-grant-read': 'uri="http://example.com/everybody"' }, 'InvalidArgument', 'Invalid group uri'],
    [{ 'x-amz-grant-read': 'emailAddress="x@example.com"' }, 'UnresolvableGrantByEmailAddress', ''],
    [{ 'x-amz-grant-read': Array(101).fill(`uri=${ALL_USERS}`).join() }, 'MalformedACLError', '100 grants'],
  ])('%j is %s: %s', async (headers, code, message) => {
    await expect(read(headers)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    })
  })
})

describe('a document', () => {
  const xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
  const grantee = (type: string, inner: string, permission = 'READ') =>
    `<Grant><Grantee ${xsi} xsi:type="${type}">${inner}</Grantee><Permission>${permission}</Permission></Grant>`
  const policy = (grants: string, owner = `<Owner><ID>${alice.canonicalId}</ID></Owner>`) =>
    `<AccessControlPolicy>${owner}<AccessControlList>${grants}</AccessControlList></AccessControlPolicy>`
  const read = (xml: string) =>
    aclOfDocument(readXml(Buffer.from(xml), 'AccessControlPolicy', AccessControlPolicy), users)

  it('grants to users, groups and e-mail addresses, in its order (P-183)', async () => {
    const asked = await read(
      policy(
        grantee('CanonicalUser', `<ID>${bob.canonicalId}</ID><DisplayName>x</DisplayName>`, 'WRITE_ACP') +
          grantee('Group', `<URI>${ALL_USERS}</URI>`) +
          grantee('AmazonCustomerByEmail', '<EmailAddress>bob@example.com</EmailAddress>', 'FULL_CONTROL'),
      ),
    )
    expect(grantsOf(asked, { owner: alice })).toEqual([grantTo(bob, 'WRITE_ACP'), toAll, grantTo(bob, 'FULL_CONTROL')])
  })

  it('may grant nothing to anybody (P-184)', async () => {
    expect(grantsOf(await read(policy('')), { owner: alice })).toEqual([])
  })

  it.each([
    ['no owner', policy('', ''), 'MalformedACLError'],
    ['an owner without a name', policy('', '<Owner><ID></ID></Owner>'), 'MalformedACLError'],
    [
      'no list',
      `<AccessControlPolicy><Owner><ID>${alice.canonicalId}</ID></Owner></AccessControlPolicy>`,
      'MalformedACLError',
    ],
    ['no grantee', policy('<Grant><Permission>READ</Permission></Grant>'), 'MalformedACLError'],
    [
      'no type',
      policy('<Grant><Grantee><ID>x</ID></Grantee><Permission>READ</Permission></Grant>'),
      'MalformedACLError',
    ],
    ['another type', policy(grantee('constructor', '<ID>x</ID>')), 'MalformedACLError'],
    ['a user without an id', policy(grantee('CanonicalUser', '')), 'MalformedACLError'],
    ['a group with an id', policy(grantee('Group', `<ID>${bob.canonicalId}</ID>`)), 'MalformedACLError'],
    [
      'another permission',
      policy(grantee('CanonicalUser', `<ID>${bob.canonicalId}</ID>`, 'READ ')),
      'MalformedACLError',
    ],
    ['an unknown id', policy(grantee('CanonicalUser', '<ID>_foo</ID>')), 'InvalidArgument'],
    ['an unknown group', policy(grantee('Group', '<URI>x</URI>')), 'InvalidArgument'],
    [
      'an unknown address',
      policy(grantee('AmazonCustomerByEmail', '<EmailAddress>x@x</EmailAddress>')),
      'UnresolvableGrantByEmailAddress',
    ],
  ])('with %s is refused', async (_, xml, code) => {
    await expect(read(xml)).rejects.toMatchObject({ code })
  })

  it('cannot give a thing away', async () => {
    const asked = await read(policy(''))
    expect(() => grantsOf(asked, { owner: bob })).toThrow(expect.objectContaining({ code: 'AccessDenied' }))
    const nobody = await read(policy('', '<Owner><ID>nobody</ID></Owner>'))
    expect(() => grantsOf(nobody, { owner: bob })).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  })
})

it('a canned name that is none is InvalidArgument', () => {
  for (const canned of ['public', '', 'toString', 'bucket-owner-read'])
    expect(() => grantsOf({ canned }, { owner: alice })).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
})

it('tells what is only the owner’s from what others get', () => {
  expect(isOwnerOnly(ownerOnly(alice), alice)).toBe(true)
  expect(isOwnerOnly([], alice)).toBe(false)
  expect(isOwnerOnly([grantTo(alice, 'READ')], alice)).toBe(false)
  expect(isOwnerOnly(ownerOnly(bob), alice)).toBe(false)
  expect(isOwnerOnly([...ownerOnly(alice), toAll], alice)).toBe(false)
  expect(grantsOthers([], alice)).toBe(false)
  expect(grantsOthers(ownerOnly(alice), alice)).toBe(false)
  expect(grantsOthers([...ownerOnly(alice), toAll], alice)).toBe(true)
  expect(grantsOthers([grantTo(bob, 'READ')], alice)).toBe(true)
})
