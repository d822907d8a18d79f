import type { ObjectOwnership } from '#auth'
import type { BucketDocuments } from './bucket-documents.ts'

/** A bucket without ownership controls works as all did before there were any: who writes an object owns it. */
export function ownershipOf(document: BucketDocuments['ownership'] | undefined): ObjectOwnership {
  return document?.rule ?? 'ObjectWriter'
}
