import Type from 'typebox'
import { writeBucketDocument } from '../bucket-documents.ts'
import { checkTags } from '../headers.ts'
import { defineOperation } from '../operation.ts'
import { TagSet } from '../shapes.ts'

const TAGS_MAX = 50

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketTagging.html: replaces all tags (P-192); 204 (P-207). */
export const putBucketTagging = defineOperation({
  name: 'PutBucketTagging',
  match: { method: 'PUT', on: 'bucket', query: ['tagging'] },
  action: 's3:PutBucketTagging',
  body: { root: 'Tagging', shape: Type.Object({ TagSet }) },
  async run({ bucket, body, namespace }) {
    const tags = body.TagSet.Tag.map(({ Key, Value }) => ({ key: Key, value: Value }))
    checkTags(tags, TAGS_MAX)
    await writeBucketDocument(namespace, bucket, 'tagging', { tags })
    return { status: 204 }
  },
})
