import Type from 'typebox'
import { isOwner } from '#auth'
import { GatewayError } from '../gateway-error.ts'
import { openContinuation, parseMaxBuckets } from '../list-page.ts'
import { defineOperation } from '../operation.ts'
import { Owner, timestamp } from '../shapes.ts'
import { continuationTokens } from './continuation-tokens.ts'
import { ownerElement } from './owner-element.ts'
import { xmlReply } from './xml-reply.ts'

const ListAllMyBucketsResult = Type.Object({
  Buckets: Type.Object({
    Bucket: Type.Array(Type.Object({ Name: Type.String(), CreationDate: Type.String(), BucketRegion: Type.String() })),
  }),
  Owner,
  ContinuationToken: Type.Optional(Type.String()),
  Prefix: Type.Optional(Type.String()),
})

const mostBuckets = 10_000

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html: their own, and those of their groups. */
export const listBuckets = defineOperation({
  name: 'ListBuckets',
  match: { method: 'GET', on: 'service' },
  action: 's3:ListAllMyBuckets',
  async run({ query, namespace, identity, s3, tokens }) {
    if (identity === undefined) throw new GatewayError('AccessDenied')
    const prefix = query.get('prefix')
    const max = parseMaxBuckets(query) ?? mostBuckets // P-116
    const { sealToken, openToken } = continuationTokens(tokens, 'ListBuckets', identity.canonicalId)
    const after = openContinuation(query.get('continuation-token'), openToken) ?? ''
    const here = [undefined, '', s3.region].includes(query.get('bucket-region'))

    const own = (await namespace.buckets.list()).filter(
      (bucket) =>
        here &&
        isOwner(identity, bucket.owner.canonicalId) &&
        bucket.name.startsWith(prefix ?? '') &&
        bucket.name > after, // names of buckets are ASCII: their order is the order of their bytes
    )
    const page = own.slice(0, max)
    return xmlReply('ListAllMyBucketsResult', ListAllMyBucketsResult, {
      Buckets: {
        Bucket: page.map(({ name, created }) => ({
          Name: name,
          CreationDate: timestamp(created),
          BucketRegion: s3.region,
        })),
      },
      Owner: ownerElement(identity),
      ContinuationToken: own.length > page.length ? sealToken(page.at(-1)?.name ?? '') : undefined,
      Prefix: prefix,
    })
  },
})
