import { findBucketDocument } from '../bucket-documents.ts'
import { descriptionFrom, quoted } from '../headers.ts'
import { lifecycleExpiration } from '../lifecycle-expiration.ts'
import { newObjectAccess } from '../object-access.ts'
import { lockActions } from '../object-lock-headers.ts'
import { defineOperation } from '../operation.ts'
import { writePrecondition } from '../preconditions.ts'
import { checksumHeader } from './checksum-elements.ts'
import { encryptionHeader } from './encryption-header.ts'
import { lockOfNewObject } from './object-lock.ts'
import { refuseUnsupportedHeaders } from './unsupported-headers.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html */
export const putObject = defineOperation({
  name: 'PutObject',
  match: { method: 'PUT', on: 'object' },
  action: 's3:PutObject',
  actionsByHeader: lockActions,
  async run(call) {
    const { bucket, key, headers, namespace, s3 } = call
    refuseUnsupportedHeaders(headers, s3)
    const description = {
      ...descriptionFrom(headers),
      ...(await newObjectAccess(call)),
      ...(await lockOfNewObject(call)),
    }
    const precondition = writePrecondition(headers, key) // P-138
    const lifecycle = await findBucketDocument(namespace, bucket, 'lifecycle')
    // `bytes` is asked for last: that is what tells a waiting client to send its body.
    const { stat } = await namespace.objects.put({ bucket, key }, description, call.bytes, { precondition })
    return {
      status: 200,
      headers: {
        etag: quoted(stat.eTag),
        ...checksumHeader(stat.checksum?.algorithm, stat.checksum?.value), // P-080
        'x-amz-checksum-type': stat.checksum?.type,
        'x-amz-version-id': stat.versionId,
        ...encryptionHeader(s3),
        'x-amz-expiration': lifecycleExpiration(lifecycle, stat),
      },
    }
  },
})
