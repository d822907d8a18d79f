import Type from 'typebox'
import type { Owner as OwnerOf, Version, VersionPage } from '#namespace'
import { GatewayError } from '../gateway-error.ts'
import { type ObjectPage, parseListV1 } from '../list-page.ts'
import { listedOwners } from '../listed-owners.ts'
import { defineOperation } from '../operation.ts'
import type { S3Query } from '../s3-request.ts'
import { CommonPrefixes, ListedObject, Owner, timestamp } from '../shapes.ts'
import { listedObject } from './listed-entries.ts'
import { ownerElement } from './owner-element.ts'
import { xmlReply } from './xml-reply.ts'

const ListVersionsResult = Type.Object({
  Name: Type.String(),
  Prefix: Type.String(),
  KeyMarker: Type.String(),
  VersionIdMarker: Type.String(),
  NextKeyMarker: Type.Optional(Type.String()),
  NextVersionIdMarker: Type.Optional(Type.String()),
  MaxKeys: Type.Integer(),
  Delimiter: Type.Optional(Type.String()),
  IsTruncated: Type.Boolean(),
  Version: Type.Array(Type.Object({ ...ListedObject.properties, VersionId: Type.String(), IsLatest: Type.Boolean() })),
  DeleteMarker: Type.Array(
    Type.Object({
      Key: Type.String(),
      VersionId: Type.String(),
      IsLatest: Type.Boolean(),
      LastModified: Type.String(),
      Owner: Type.Optional(Owner),
    }),
  ),
  CommonPrefixes,
  EncodingType: Type.Optional(Type.String()),
})

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
 * In a bucket that never was versioned each object is one version, the latest, with the id 'null' (P-117).
 */
export const listObjectVersions = defineOperation({
  name: 'ListObjectVersions',
  match: { method: 'GET', on: 'bucket', query: ['versions'] },
  action: 's3:ListBucketVersions',
  async run({ bucket, query, namespace, directory }) {
    const { keyMarker, versionIdMarker, ...asked } = parseVersionPage(query)
    const { encode, type } = asked.encoding
    const page = await namespace.objects.listVersions({
      bucket,
      ...asked,
      keyMarker,
      versionIdMarker: versionIdMarker || undefined,
    })
    const shown = await listedOwners(page.entries.flatMap(ownersOf), directory)
    return xmlReply('ListVersionsResult', ListVersionsResult, {
      Name: bucket,
      Prefix: encode(asked.prefix),
      KeyMarker: encode(keyMarker),
      VersionIdMarker: versionIdMarker,
      // P-213: clients pass both back. A common prefix has no version (recorded).
      NextKeyMarker: page.next === undefined ? undefined : encode(page.next.keyMarker),
      NextVersionIdMarker: page.next?.versionIdMarker,
      MaxKeys: asked.max,
      Delimiter: asked.delimiter === '' ? undefined : encode(asked.delimiter),
      IsTruncated: page.truncated,
      Version: page.entries.flatMap((entry) =>
        'prefix' in entry || entry.object === undefined
          ? []
          : [{ ...listedObject(entry.object, encode, shown), ...named(entry) }],
      ),
      DeleteMarker: page.entries.flatMap((entry) =>
        'prefix' in entry || entry.object !== undefined
          ? []
          : [
              {
                Key: encode(entry.key),
                ...named(entry),
                LastModified: timestamp(entry.lastModified),
                Owner: ownerElement(shown(entry.owner)),
              },
            ],
      ),
      CommonPrefixes: page.entries.flatMap((entry) => ('prefix' in entry ? [{ Prefix: encode(entry.prefix) }] : [])),
      EncodingType: type,
    })
  },
})

function ownersOf(entry: VersionPage['entries'][number]): readonly OwnerOf[] {
  return 'prefix' in entry ? [] : [entry.object?.owner ?? entry.owner]
}

const named = ({ versionId, isLatest }: Version) => ({ VersionId: versionId, IsLatest: isLatest })

/** Empty markers count as absent. Throws InvalidArgument. */
function parseVersionPage(
  query: S3Query,
): ObjectPage & { readonly keyMarker: string; readonly versionIdMarker: string } {
  const keyMarker = query.get('key-marker') ?? ''
  const versionIdMarker = query.get('version-id-marker') ?? ''
  if (versionIdMarker !== '' && keyMarker === '')
    throw new GatewayError('InvalidArgument', {
      message: 'A version-id marker cannot be specified without a key marker.',
      ArgumentName: 'version-id-marker',
      ArgumentValue: versionIdMarker,
    })
  return { ...parseListV1(query), keyMarker, versionIdMarker }
}
