import Type from 'typebox'
import { GatewayError } from '../gateway-error.ts'
import { type ObjectPage, parseListV1 } from '../list-page.ts'
import { defineOperation } from '../operation.ts'
import type { S3Query } from '../s3-request.ts'
import { CommonPrefixes, ListedObject } from '../shapes.ts'
import { commonPrefixes, listedObject } from './listed-entries.ts'
import { unknownVersion } from './version-id.ts'
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
  async run({ bucket, query, namespace }) {
    const asked = parseVersionPage(query)
    const { encode, type } = asked.encoding
    const page = await namespace.objects.list({ bucket, ...asked, after: asked.keyMarker })
    const last = page.entries.at(-1)
    return xmlReply('ListVersionsResult', ListVersionsResult, {
      Name: bucket,
      Prefix: encode(asked.prefix),
      KeyMarker: encode(asked.keyMarker),
      VersionIdMarker: asked.versionIdMarker,
      // P-213: clients pass both back. A common prefix has no version (recorded).
      NextKeyMarker: page.next === undefined ? undefined : encode(page.next),
      NextVersionIdMarker: page.truncated && last !== undefined && 'object' in last ? 'null' : undefined,
      MaxKeys: asked.max,
      Delimiter: asked.delimiter === '' ? undefined : encode(asked.delimiter),
      IsTruncated: page.truncated,
      Version: page.entries.flatMap((entry) =>
        'object' in entry ? [{ ...listedObject(entry.object, encode, true), VersionId: 'null', IsLatest: true }] : [],
      ),
      CommonPrefixes: commonPrefixes(page.entries, encode),
      EncodingType: type,
    })
  },
})

/**
 * key-marker with or without version-id-marker goes on behind that key, since 'null' is its only version. Empty markers count as absent.
 * Throws InvalidArgument.
 */
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
  if (versionIdMarker !== '' && versionIdMarker !== 'null') throw unknownVersion(versionIdMarker, 'version-id-marker')
  return { ...parseListV1(query), keyMarker, versionIdMarker }
}
