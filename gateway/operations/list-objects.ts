import { parseListV1 } from '../list-page.ts'
import { defineOperation } from '../operation.ts'
import { ListBucketResult } from '../shapes.ts'
import { listedPage } from './listed-entries.ts'
import { xmlReply } from './xml-reply.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html */
export const listObjects = defineOperation({
  name: 'ListObjects',
  match: { method: 'GET', on: 'bucket' },
  action: 's3:ListBucket',
  async run({ bucket, query, namespace, directory }) {
    const asked = parseListV1(query)
    const { encode } = asked.encoding
    const page = await namespace.objects.list({ bucket, ...asked })
    return xmlReply('ListBucketResult', ListBucketResult, {
      Name: bucket,
      ...(await listedPage(asked, page, directory)),
      Prefix: isSameDecoded(asked.prefix) ? asked.prefix : encode(asked.prefix),
      Marker: encode(asked.marker),
      // P-105: without a delimiter the last key says as much.
      NextMarker: asked.delimiter === '' || page.next === undefined ? undefined : encode(page.next),
    })
  },
})

/**
 * botocore decodes every name of this answer but the Prefix, other clients that too. What decoding leaves as it is, and XML can carry,
 * is right for both when it is not encoded.
 */
const isSameDecoded = (prefix: string): boolean => !/[%+]|[^\t\n\r\x20-\uffff]/.test(prefix)
