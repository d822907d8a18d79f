/**
 * XML shapes that several operations share, spelled as AWS spells them. Every array is a row of elements of the property's own
 * name ("flattened" in AWS's model), so a wrapped list is an object holding one: `{ TagSet: { Tag: [...] } }`.
 */

import Type, { type TSchema } from 'typebox'
import { retentionModes } from './object-lock-headers.ts'

/** A property that stands as an attribute of its element, e.g. `'xsi:type': attribute(Type.String())`. */
export function attribute<Shape extends TSchema>(shape: Shape): Shape {
  return { ...shape, attribute: true }
}

/** `2026-11-20T21:50:56.000Z`. S3 counts seconds, and XML must never be later than the Last-Modified header (P-099, P-113). */
export function timestamp(date: Date): string {
  return new Date(Math.floor(date.getTime() / 1000) * 1000).toISOString()
}

export const Owner = Type.Object({ ID: Type.String(), DisplayName: Type.Optional(Type.String()) })

/**
 * Of a bucket or an object, in and out (P-183). In, nothing must be there: what is missing is MalformedACLError, and acl.ts says so. Out,
 * DisplayName is what AWS no longer sends and nobody minds.
 */
export const AccessControlPolicy = Type.Object({
  Owner: Type.Optional(Type.Object({ ID: Type.Optional(Type.String()), DisplayName: Type.Optional(Type.String()) })),
  AccessControlList: Type.Optional(
    Type.Object({
      Grant: Type.Array(
        Type.Object({
          Grantee: Type.Optional(
            Type.Object({
              'xsi:type': Type.Optional(attribute(Type.String())),
              ID: Type.Optional(Type.String()),
              DisplayName: Type.Optional(Type.String()),
              URI: Type.Optional(Type.String()),
              EmailAddress: Type.Optional(Type.String()),
            }),
          ),
          Permission: Type.Optional(Type.String()),
        }),
      ),
    }),
  ),
})

/** One object of ListObjects and ListObjectsV2 (element `Contents`). */
export const ListedObject = Type.Object({
  Key: Type.String(),
  LastModified: Type.String(),
  /** With its quotes (P-098). */
  ETag: Type.String(),
  ChecksumAlgorithm: Type.Optional(Type.Array(Type.String())),
  ChecksumType: Type.Optional(Type.String()),
  Size: Type.Integer(),
  Owner: Type.Optional(Owner),
  StorageClass: Type.String(),
})

export const CommonPrefixes = Type.Array(Type.Object({ Prefix: Type.String() }))

/** `ListBucketResult`, versions 1 and 2. What is undefined is left out (P-105, P-107, P-109, P-110). */
export const ListBucketResult = Type.Object({
  Name: Type.String(),
  Prefix: Type.String(),
  Marker: Type.Optional(Type.String()),
  NextMarker: Type.Optional(Type.String()),
  StartAfter: Type.Optional(Type.String()),
  ContinuationToken: Type.Optional(Type.String()),
  NextContinuationToken: Type.Optional(Type.String()),
  KeyCount: Type.Optional(Type.Integer()),
  MaxKeys: Type.Integer(),
  Delimiter: Type.Optional(Type.String()),
  IsTruncated: Type.Boolean(),
  Contents: Type.Array(ListedObject),
  CommonPrefixes,
  EncodingType: Type.Optional(Type.String()),
})

/** The five checksum elements that go with an object or a part. */
export const checksumElements = {
  ChecksumCRC32: Type.Optional(Type.String()),
  ChecksumCRC32C: Type.Optional(Type.String()),
  ChecksumCRC64NVME: Type.Optional(Type.String()),
  ChecksumSHA1: Type.Optional(Type.String()),
  ChecksumSHA256: Type.Optional(Type.String()),
}

/** `CopyObjectResult` and `CopyPartResult`. */
export const CopyResult = Type.Object({
  ETag: Type.String(),
  LastModified: Type.String(),
  ...checksumElements,
  ChecksumType: Type.Optional(Type.String()),
})

/** Request of DeleteObjects: 1 to 1,000 keys, more are MalformedXML (P-148). */
export const Delete = Type.Object({
  Object: Type.Array(
    Type.Object({
      Key: Type.String({ minLength: 1 }),
      VersionId: Type.Optional(Type.String()),
      ETag: Type.Optional(Type.String()),
      Size: Type.Optional(Type.Integer()),
      LastModifiedTime: Type.Optional(Type.String()),
    }),
    { minItems: 1, maxItems: 1000 },
  ),
  Quiet: Type.Optional(Type.Boolean()),
})

export const DeleteResult = Type.Object({
  Deleted: Type.Array(
    Type.Object({
      Key: Type.String(),
      VersionId: Type.Optional(Type.String()),
      DeleteMarker: Type.Optional(Type.Boolean()),
      DeleteMarkerVersionId: Type.Optional(Type.String()),
    }),
  ),
  Error: Type.Array(
    Type.Object({
      Key: Type.String(),
      VersionId: Type.Optional(Type.String()),
      Code: Type.String(),
      Message: Type.String(),
    }),
  ),
})

/** Request of CompleteMultipartUpload. An empty list is not malformed XML but InvalidRequest (P-156): the operation says so. */
export const CompleteMultipartUpload = Type.Object({
  Part: Type.Array(
    Type.Object({
      PartNumber: Type.Integer(),
      /** With or without quotes (P-098). */
      ETag: Type.String(),
      ...checksumElements,
    }),
  ),
})

export const CompleteMultipartUploadResult = Type.Object({
  Location: Type.String(),
  Bucket: Type.String(),
  Key: Type.String(),
  ETag: Type.String(),
  ...checksumElements,
  ChecksumType: Type.Optional(Type.String()),
})

/** Tags, as TagSet of several documents. */
export const TagSet = Type.Object({
  Tag: Type.Array(Type.Object({ Key: Type.String(), Value: Type.String() })),
})

/** Exactly one rule, in and out. */
export const OwnershipControls = Type.Object({
  Rule: Type.Array(
    Type.Object({
      ObjectOwnership: Type.Union([
        Type.Literal('BucketOwnerEnforced'),
        Type.Literal('BucketOwnerPreferred'),
        Type.Literal('ObjectWriter'),
      ]),
    }),
    { minItems: 1, maxItems: 1 },
  ),
})

export const PublicAccessBlockConfiguration = Type.Object({
  BlockPublicAcls: Type.Optional(Type.Boolean()),
  IgnorePublicAcls: Type.Optional(Type.Boolean()),
  BlockPublicPolicy: Type.Optional(Type.Boolean()),
  RestrictPublicBuckets: Type.Optional(Type.Boolean()),
})

const RetentionMode = Type.Enum(retentionModes)

/** Of an object; both or neither, as its operation says. */
export const ObjectRetention = Type.Object({
  Mode: Type.Optional(RetentionMode),
  RetainUntilDate: Type.Optional(Type.String()),
})

export const LegalHold = Type.Object({ Status: Type.Enum(['ON', 'OFF']) })

export const ObjectLockConfiguration = Type.Object({
  ObjectLockEnabled: Type.Enum(['Enabled']),
  Rule: Type.Optional(
    Type.Object({
      DefaultRetention: Type.Object({
        Mode: RetentionMode,
        Days: Type.Optional(Type.Integer()),
        Years: Type.Optional(Type.Integer()),
      }),
    }),
  ),
})
