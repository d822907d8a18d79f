import type { Static } from 'typebox'
import type { Grant } from '#auth'
import type { Owner as OwnerOf } from '#namespace'
import type { Reply } from '../reply.ts'
import { AccessControlPolicy } from '../shapes.ts'
import { ownerElement } from './owner-element.ts'
import { xmlReply } from './xml-reply.ts'

type Element = NonNullable<Static<typeof AccessControlPolicy>['AccessControlList']>['Grant'][number]

/**
 * Groups come first, users in the order in which they were given. An ACL has no order; the public suite expects that one, and clients cannot
 * tell.
 */
export function aclReply(owner: OwnerOf, grants: readonly Grant[], headers: Reply['headers'] = {}): Reply {
  const groupsFirst = grants.toSorted((a, b) => rank(a) - rank(b))
  return xmlReply(
    'AccessControlPolicy',
    AccessControlPolicy,
    { Owner: ownerElement(owner), AccessControlList: { Grant: groupsFirst.map(grantElement) } },
    headers,
  )
}

function rank({ grantee }: Grant): number {
  return grantee.kind === 'group' ? 0 : 1
}

function grantElement({ grantee, permission: Permission }: Grant): Element {
  if (grantee.kind === 'group') return { Grantee: { 'xsi:type': 'Group', URI: grantee.uri }, Permission }
  const { canonicalId: ID, displayName } = grantee
  const name = displayName === undefined ? {} : { DisplayName: displayName }
  return { Grantee: { 'xsi:type': 'CanonicalUser', ID, ...name }, Permission }
}
