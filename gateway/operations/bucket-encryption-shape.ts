import Type from 'typebox'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ServerSideEncryptionConfiguration.html */
export const ServerSideEncryptionConfiguration = Type.Object({
  Rule: Type.Array(
    Type.Object({
      ApplyServerSideEncryptionByDefault: Type.Optional(
        Type.Object({ SSEAlgorithm: Type.String(), KMSMasterKeyID: Type.Optional(Type.String()) }),
      ),
      BucketKeyEnabled: Type.Optional(Type.Boolean()),
    }),
    { minItems: 1, maxItems: 1 },
  ),
})
