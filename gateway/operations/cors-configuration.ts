import Type from 'typebox'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_CORSConfiguration.html: what PutBucketCors takes and GetBucketCors answers. */
export const CorsConfiguration = Type.Object({
  CORSRule: Type.Array(
    Type.Object({
      ID: Type.Optional(Type.String()),
      AllowedHeader: Type.Array(Type.String({ minLength: 1 })),
      AllowedMethod: Type.Array(Type.String(), { minItems: 1 }),
      AllowedOrigin: Type.Array(Type.String({ minLength: 1 }), { minItems: 1 }),
      ExposeHeader: Type.Array(Type.String({ minLength: 1 })),
      MaxAgeSeconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 })),
    }),
    { minItems: 1 },
  ),
})
