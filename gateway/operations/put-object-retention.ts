import type { Static } from 'typebox'
import type { Retention } from '#namespace'
import { bypassesGovernance } from '../bypasses-governance.ts'
import { GatewayError } from '../gateway-error.ts'
import { checkFuture, parseRetainUntil } from '../object-lock-headers.ts'
import { defineOperation } from '../operation.ts'
import { ObjectRetention } from '../shapes.ts'
import { requireObjectLock } from './object-lock.ts'
import { checkRetentionChange } from './retention-change.ts'
import { requestedVersion } from './version-id.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectRetention.html: an empty one takes it away. */
export const putObjectRetention = defineOperation({
  name: 'PutObjectRetention',
  match: { method: 'PUT', on: 'object', query: ['retention'] },
  action: 's3:PutObjectRetention',
  body: { root: 'Retention', shape: ObjectRetention },
  async run({ bucket, key, query, headers, body, namespace, now }) {
    const versionId = requestedVersion(query)
    await requireObjectLock(namespace, bucket)
    const retention = retentionOf(body, now)
    const bypass = bypassesGovernance(headers)
    const stat = await namespace.objects.amend({ bucket, key, versionId }, (current) => {
      checkRetentionChange(current.retention, retention, { bypass, now })
      return { ...current, retention }
    })
    return { status: 200, headers: { 'x-amz-version-id': stat.versionId } }
  },
})

/** Throws MalformedXML, InvalidArgument (P-195). */
function retentionOf({ Mode, RetainUntilDate }: Static<typeof ObjectRetention>, now: Date): Retention | undefined {
  if (Mode === undefined && RetainUntilDate === undefined) return undefined
  const until = parseRetainUntil(RetainUntilDate?.trim() ?? '')
  if (Mode === undefined || until === undefined) throw new GatewayError('MalformedXML')
  checkFuture(until, now, 'RetainUntilDate')
  return { mode: Mode, until: until.toISOString() }
}
