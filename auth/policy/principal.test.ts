import { expect, it } from 'vitest'
import { alice } from '../testing/signers.ts'
import { isPrincipal, parsePrincipal } from './principal.ts'

const SID = 'S-1-5-21-1-2-3-1102'
const STAFF = 'S-1-5-21-1-2-3-1110'
const inDomain = { ...alice, groups: ['staff'], sid: SID, groupSids: [STAFF, 'S-1-5-32-545'] }
const names = (type: 'user' | 'group', name: string) =>
  parsePrincipal('AWS', `arn:aws:iam::123456789012:${type}/${name}`)

it.each([
  ['user', 'alice', true],
  ['user', SID, true],
  ['user', STAFF, false],
  ['user', 'S-1-5-21-1-2-3-1103', false],
  ['group', 'staff', true],
  ['group', STAFF, true],
  ['group', 'S-1-5-32-545', true],
  ['group', SID, false],
  ['group', 'S-1-5-21-1-2-3-512', false],
] as const)('the %s %s in a policy: %s for alice', (type, name, expected) => {
  expect(isPrincipal(names(type, name), inDomain)).toBe(expected)
})

it('a name that looks like a SID is nobody’s SID', () => {
  const impostor = { ...inDomain, userName: 'S-1-5-21-1-2-3-500', groups: ['S-1-5-21-1-2-3-512'] }
  expect(isPrincipal(names('user', impostor.userName), impostor)).toBe(false)
  expect(isPrincipal(names('group', 'S-1-5-21-1-2-3-512'), impostor)).toBe(false)
  expect(isPrincipal(names('group', STAFF), alice)).toBe(false)
})
