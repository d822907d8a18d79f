import Type from 'typebox'
import type { ObjectStat } from '#namespace'
import { GatewayError } from '../gateway-error.ts'
import { parseMax, parsePartNumberMarker } from '../list-page.ts'
import { defineOperation } from '../operation.ts'
import type { S3Headers } from '../s3-request.ts'
import { checksumElements } from '../shapes.ts'
import { checksumElement } from './checksum-elements.ts'
import { refuseUnsupportedHeaders } from './unsupported-headers.ts'
import { requestedVersion } from './version-id.ts'
import { xmlReply } from './xml-reply.ts'

const GetObjectAttributesResponse = Type.Object({
  ETag: Type.Optional(Type.String()),
  Checksum: Type.Optional(Type.Object({ ...checksumElements, ChecksumType: Type.String() })),
  ObjectParts: Type.Optional(
    Type.Object({
      PartsCount: Type.Integer(),
      PartNumberMarker: Type.Optional(Type.Integer()),
      NextPartNumberMarker: Type.Optional(Type.Integer()),
      MaxParts: Type.Optional(Type.Integer()),
      IsTruncated: Type.Optional(Type.Boolean()),
      Part: Type.Array(Type.Object({ PartNumber: Type.Integer(), Size: Type.Integer(), ...checksumElements })),
    }),
  ),
  StorageClass: Type.Optional(Type.String()),
  ObjectSize: Type.Optional(Type.Integer()),
})

const attributeNames = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize']

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html (P-134) */
export const getObjectAttributes = defineOperation({
  name: 'GetObjectAttributes',
  match: { method: 'GET', on: 'object', query: ['attributes'] },
  action: 's3:GetObjectAttributes',
  async run({ bucket, key, query, headers, namespace, s3 }) {
    refuseUnsupportedHeaders(headers, s3)
    const versionId = requestedVersion(query)
    const asked = askedAttributes(headers)
    const partsOf = partPage(headers)
    const stat = await namespace.objects.stat({ bucket, key, versionId })
    return xmlReply(
      'GetObjectAttributesResponse',
      GetObjectAttributesResponse,
      {
        ETag: asked.has('ETag') ? stat.eTag : undefined, // without quotes
        Checksum: asked.has('Checksum') ? checksumOf(stat) : undefined,
        ObjectParts: asked.has('ObjectParts') ? partsOf(stat) : undefined,
        StorageClass: asked.has('StorageClass') ? (stat.headers['x-amz-storage-class'] ?? 'STANDARD') : undefined,
        ObjectSize: asked.has('ObjectSize') ? stat.sizeBytes : undefined,
      },
      { 'last-modified': stat.lastModified.toUTCString(), 'x-amz-version-id': stat.versionId },
    )
  },
})

/** A comma list, possibly over several header lines. Throws InvalidArgument. */
function askedAttributes(headers: S3Headers): ReadonlySet<string> {
  const header = headers.get('x-amz-object-attributes') ?? ''
  const names = header.split(',').map((name) => name.trim())
  if (names.every((name) => attributeNames.includes(name))) return new Set(names)
  throw new GatewayError('InvalidArgument', {
    message: header === '' ? 'The x-amz-object-attributes header is required' : 'Invalid attribute name specified.',
    ArgumentName: 'x-amz-object-attributes',
    ArgumentValue: header,
  })
}

/** Here, and only here, a composite value goes without its `-N` (recorded). */
function checksumOf({ checksum }: ObjectStat) {
  if (checksum === undefined) return undefined
  const value = checksum.value.replace(/-\d+$/, '')
  return { ...checksumElement(checksum.algorithm, value), ChecksumType: checksum.type }
}

/**
 * Parts are listed one by one, with checksums in composite objects. AWS only counts those of other objects; the list harms nobody and the public
 * suite wants it. Headers are read at once. Throws InvalidArgument.
 */
function partPage(headers: S3Headers) {
  const max = parseMax(asQuery(headers, 'x-amz-max-parts'), 'x-amz-max-parts')
  const after = parsePartNumberMarker(headers.get('x-amz-part-number-marker'))
  return ({ parts, checksum }: ObjectStat) => {
    if (parts === undefined) return undefined
    const rest = parts.filter((part) => part.partNumber > after)
    const page = rest.slice(0, max)
    return {
      PartsCount: parts.length,
      PartNumberMarker: after,
      NextPartNumberMarker: page.at(-1)?.partNumber ?? 0,
      MaxParts: max,
      IsTruncated: page.length > 0 && rest.length > page.length,
      Part: page.map((part) => ({
        PartNumber: part.partNumber,
        Size: part.sizeBytes,
        ...(checksum?.type === 'COMPOSITE' ? checksumElement(checksum.algorithm, part.checksum) : {}),
      })),
    }
  }
}

/** This operation pages by headers where all others page by the query. */
function asQuery(headers: S3Headers, name: string) {
  const value = headers.get(name)
  return { has: () => value !== undefined, get: () => value, names: () => [name] }
}
