import type { Static } from 'typebox'
import type { ListEntry, ListPage, Owner } from '#namespace'
import { quoted } from '../headers.ts'
import type { NameEncoding, ObjectPage } from '../list-page.ts'
import { listedOwners } from '../listed-owners.ts'
import type { Call } from '../operation.ts'
import { type CommonPrefixes, type ListedObject, timestamp } from '../shapes.ts'
import { ownerElement } from './owner-element.ts'

type ShownOwner = (owner: Owner) => Owner

/**
 * What ListObjects, version 1 and 2, say alike of a page.
 *
 * @param directory undefined: owners are not asked for
 */
export async function listedPage(asked: ObjectPage, page: ListPage, directory: Call['directory'] | undefined) {
  const { encode, type } = asked.encoding
  const owners = page.entries.flatMap((entry) => ('object' in entry ? [entry.object.owner] : []))
  const shown = directory && (await listedOwners(owners, directory))
  return {
    Prefix: encode(asked.prefix),
    MaxKeys: asked.max,
    Delimiter: asked.delimiter === '' ? undefined : encode(asked.delimiter), // P-107
    IsTruncated: page.truncated,
    Contents: page.entries.flatMap((entry) => ('object' in entry ? [listedObject(entry.object, encode, shown)] : [])),
    CommonPrefixes: commonPrefixes(page.entries, encode),
    EncodingType: type,
  }
}

function commonPrefixes(entries: readonly ListEntry[], encode: NameEncoding['encode']): Static<typeof CommonPrefixes> {
  return entries.flatMap((entry) => ('prefix' in entry ? [{ Prefix: encode(entry.prefix) }] : []))
}

/** P-112: the same as HEAD says. */
export function listedObject(
  object: Extract<ListEntry, { readonly object: unknown }>['object'],
  encode: NameEncoding['encode'],
  shown: ShownOwner | undefined,
): Static<typeof ListedObject> {
  return {
    Key: encode(object.key),
    LastModified: timestamp(object.lastModified),
    ETag: quoted(object.eTag),
    ...(object.checksum === undefined
      ? {}
      : { ChecksumAlgorithm: [object.checksum.algorithm], ChecksumType: object.checksum.type }),
    Size: object.sizeBytes,
    ...(shown === undefined ? {} : { Owner: ownerElement(shown(object.owner)) }),
    StorageClass: object.headers['x-amz-storage-class'] ?? 'STANDARD',
  }
}
