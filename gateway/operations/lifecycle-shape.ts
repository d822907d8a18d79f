import Type from 'typebox'

const Tag = Type.Object({ Key: Type.String(), Value: Type.String() })
const sizes = {
  ObjectSizeGreaterThan: Type.Optional(Type.Integer()),
  ObjectSizeLessThan: Type.Optional(Type.Integer()),
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html: what is put and what is answered. */
export const LifecycleConfiguration = Type.Object({
  Rule: Type.Array(
    Type.Object({
      ID: Type.Optional(Type.String()),
      Prefix: Type.Optional(Type.String()),
      Filter: Type.Optional(
        Type.Object({
          Prefix: Type.Optional(Type.String()),
          Tag: Type.Optional(Tag),
          ...sizes,
          And: Type.Optional(Type.Object({ Prefix: Type.Optional(Type.String()), Tag: Type.Array(Tag), ...sizes })),
        }),
      ),
      Status: Type.Union([Type.Literal('Enabled'), Type.Literal('Disabled')]),
      Expiration: Type.Optional(
        Type.Object({
          Date: Type.Optional(Type.String()),
          Days: Type.Optional(Type.Integer()),
          ExpiredObjectDeleteMarker: Type.Optional(Type.Boolean()),
        }),
      ),
      Transition: Type.Array(
        Type.Object({
          Date: Type.Optional(Type.String()),
          Days: Type.Optional(Type.Integer()),
          StorageClass: Type.String(),
        }),
      ),
      NoncurrentVersionTransition: Type.Array(Type.Object({ StorageClass: Type.String() })),
      NoncurrentVersionExpiration: Type.Optional(
        Type.Object({ NoncurrentDays: Type.Integer(), NewerNoncurrentVersions: Type.Optional(Type.Integer()) }),
      ),
      AbortIncompleteMultipartUpload: Type.Optional(Type.Object({ DaysAfterInitiation: Type.Integer() })),
    }),
    { minItems: 1 },
  ),
})
