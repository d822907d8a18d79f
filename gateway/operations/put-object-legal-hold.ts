import { defineOperation } from '../operation.ts'
import { LegalHold } from '../shapes.ts'
import { requireObjectLock } from './object-lock.ts'
import { requestedVersion } from './version-id.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLegalHold.html */
export const putObjectLegalHold = defineOperation({
  name: 'PutObjectLegalHold',
  match: { method: 'PUT', on: 'object', query: ['legal-hold'] },
  action: 's3:PutObjectLegalHold',
  body: { root: 'LegalHold', shape: LegalHold },
  async run({ bucket, key, query, body, namespace }) {
    const versionId = requestedVersion(query)
    await requireObjectLock(namespace, bucket)
    const legalHold = body.Status === 'ON'
    const stat = await namespace.objects.amend({ bucket, key, versionId }, (current) => ({ ...current, legalHold }))
    return { status: 200, headers: { 'x-amz-version-id': stat.versionId } }
  },
})
