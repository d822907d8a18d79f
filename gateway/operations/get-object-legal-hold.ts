import { GatewayError } from '../gateway-error.ts'
import { defineOperation } from '../operation.ts'
import { LegalHold } from '../shapes.ts'
import { requireObjectLock } from './object-lock.ts'
import { requestedVersion } from './version-id.ts'
import { xmlReply } from './xml-reply.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLegalHold.html: OFF only where it was put so. */
export const getObjectLegalHold = defineOperation({
  name: 'GetObjectLegalHold',
  match: { method: 'GET', on: 'object', query: ['legal-hold'] },
  action: 's3:GetObjectLegalHold',
  async run({ bucket, key, query, namespace }) {
    const versionId = requestedVersion(query)
    await requireObjectLock(namespace, bucket)
    const { legalHold } = await namespace.objects.stat({ bucket, key, versionId })
    if (legalHold === undefined) throw new GatewayError('NoSuchObjectLockConfiguration', { Key: key })
    return xmlReply('LegalHold', LegalHold, { Status: legalHold ? 'ON' : 'OFF' })
  },
})
