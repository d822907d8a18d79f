import Type from 'typebox'
import type { Owner as OwnerOf } from '#namespace'
import type { Reply } from '../reply.ts'
import { attribute, Owner } from '../shapes.ts'
import { ownerElement } from './owner-element.ts'
import { xmlReply } from './xml-reply.ts'

const AccessControlPolicy = Type.Object({
  Owner,
  AccessControlList: Type.Object({
    Grant: Type.Array(
      Type.Object({
        Grantee: Type.Object({ 'xsi:type': attribute(Type.String()), ...Owner.properties }),
        Permission: Type.String(),
      }),
    ),
  }),
})

/** The ACL of everything where ACLs are off: the owner of the bucket may do everything, nobody else anything. */
export function ownerAcl(owner: OwnerOf): Reply {
  const id = ownerElement(owner)
  return xmlReply('AccessControlPolicy', AccessControlPolicy, {
    Owner: id,
    AccessControlList: {
      Grant: [{ Grantee: { 'xsi:type': 'CanonicalUser', ...id }, Permission: 'FULL_CONTROL' }],
    },
  })
}
