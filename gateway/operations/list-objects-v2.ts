import { parseListV2 } from '../list-page.ts'
import { defineOperation } from '../operation.ts'
import { ListBucketResult } from '../shapes.ts'
import { continuationTokens } from './continuation-tokens.ts'
import { listedPage } from './listed-entries.ts'
import { xmlReply } from './xml-reply.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html */
export const listObjectsV2 = defineOperation({
  name: 'ListObjectsV2',
  match: { method: 'GET', on: 'bucket', query: ['list-type=2'] },
  action: 's3:ListBucket',
  async run({ bucket, query, namespace, directory, tokens }) {
    const { sealToken, openToken } = continuationTokens(tokens, 'ListObjectsV2', bucket)
    const asked = parseListV2(query, openToken)
    const page = await namespace.objects.list({ bucket, ...asked })
    return xmlReply('ListBucketResult', ListBucketResult, {
      Name: bucket,
      ...(await listedPage(asked, page, asked.fetchOwner ? directory : undefined)),
      KeyCount: page.entries.length, // P-104
      StartAfter: asked.startAfter === undefined ? undefined : asked.encoding.encode(asked.startAfter),
      ContinuationToken: asked.continuationToken,
      NextContinuationToken: page.next === undefined ? undefined : sealToken(page.next),
    })
  },
})
