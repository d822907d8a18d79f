import { GatewayError } from '../gateway-error.ts'
import { defineOperation } from '../operation.ts'
import { ObjectRetention } from '../shapes.ts'
import { requireObjectLock } from './object-lock.ts'
import { requestedVersion } from './version-id.ts'
import { xmlReply } from './xml-reply.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectRetention.html (P-194) */
export const getObjectRetention = defineOperation({
  name: 'GetObjectRetention',
  match: { method: 'GET', on: 'object', query: ['retention'] },
  action: 's3:GetObjectRetention',
  async run({ bucket, key, query, namespace }) {
    const versionId = requestedVersion(query)
    await requireObjectLock(namespace, bucket)
    const { retention } = await namespace.objects.stat({ bucket, key, versionId })
    if (retention === undefined) throw new GatewayError('NoSuchObjectLockConfiguration', { Key: key })
    return xmlReply('Retention', ObjectRetention, { Mode: retention.mode, RetainUntilDate: retention.until })
  },
})
