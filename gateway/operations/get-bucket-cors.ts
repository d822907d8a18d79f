import { findBucketDocument } from '../bucket-documents.ts'
import { GatewayError } from '../gateway-error.ts'
import { defineOperation } from '../operation.ts'
import { CorsConfiguration } from './cors-configuration.ts'
import { xmlReply } from './xml-reply.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketCors.html */
export const getBucketCors = defineOperation({
  name: 'GetBucketCors',
  match: { method: 'GET', on: 'bucket', query: ['cors'] },
  action: 's3:GetBucketCORS',
  async run({ bucket, namespace }) {
    const document = await findBucketDocument(namespace, bucket, 'cors')
    if (document === undefined) throw new GatewayError('NoSuchCORSConfiguration', { BucketName: bucket })
    const CORSRule = document.rules.map((rule) => ({
      ID: rule.id,
      AllowedHeader: rule.allowedHeaders ?? [],
      AllowedMethod: rule.allowedMethods,
      AllowedOrigin: rule.allowedOrigins,
      ExposeHeader: rule.exposeHeaders ?? [],
      MaxAgeSeconds: rule.maxAgeSeconds,
    }))
    return xmlReply('CORSConfiguration', CorsConfiguration, { CORSRule })
  },
})
