import { isFileUser, type Owner } from '#namespace'

/**
 * Whose an object is where it matters who may do what. A file that only file users have written belongs to the bucket's owner: its POSIX
 * owner is nobody who could sign a request.
 */
export function objectOwner({ owner }: { readonly owner: Owner }, bucketOwner: Owner): Owner {
  return isFileUser(owner) ? bucketOwner : owner
}
