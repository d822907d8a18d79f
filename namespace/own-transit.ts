import { NamespaceError } from './errors.ts'
import { join, transit } from './layout.ts'
import { type Place, requireBucket } from './place.ts'

/**
 * A member of the directory's group can rename even a 0700 `.s3` away and put one of their own there (tried): its inode is in the bucket's
 * record, and another one is not believed.
 * Throws NoSuchBucket where the bucket has gone, ReadOnlyTree where it can have no `.s3`, SlowDown for another one.
 */
export async function requireOwnTransit(
  place: Pick<Place, 'bucket' | 'root' | 'directory' | 'transitInode' | 'service' | 'options'>,
): Promise<void> {
  if (place.root.readOnly) throw new NamespaceError('ReadOnlyTree')
  const stat = await place.service.statPath(join(place.directory, transit.directory))
  if (stat !== undefined && stat.inode === place.transitInode) return
  await requireBucket(place)
  place.options.problems({ kind: 'transit-directory-replaced', bucket: place.bucket.name })
  throw new NamespaceError('SlowDown', {
    message: `The directory .s3 of bucket ${place.bucket.name} is not the one that Causeway made; run 'causeway check'.`,
  })
}
