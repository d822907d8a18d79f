import { type Directory, isOwner } from '#auth'
import { type Owner, uidOfFileUser } from '#namespace'

/**
 * Whose an object is where it matters who may do what, and ACLs are on. A file that only file users have written is as if the user of its uid had
 * uploaded it: theirs, and closed to all others, the bucket's owner included; who is in the group that owns the bucket writes for the group. A uid
 * without a user is nobody who could sign a request: then it is the bucket's owner's.
 *
 * Rejects where the directory does not answer: whom the object is closed to is not known then.
 */
export async function objectOwner(
  { owner }: { readonly owner: Owner },
  bucketOwner: Owner,
  directory: Pick<Directory, 'findByUid'>,
): Promise<Owner> {
  const uid = uidOfFileUser(owner)
  if (uid === undefined) return owner
  const user = await directory.findByUid(uid)
  if (user === undefined || isOwner(user, bucketOwner.canonicalId)) return bucketOwner
  return { canonicalId: user.canonicalId, displayName: user.displayName }
}
