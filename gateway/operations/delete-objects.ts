import pLimit from 'p-limit'
import type { Static } from 'typebox'
import { AuthError } from '#auth'
import { NamespaceError } from '#namespace'
import { bypassesGovernance } from '../bypasses-governance.ts'
import { GatewayError } from '../gateway-error.ts'
import { type Call, defineOperation } from '../operation.ts'
import { entryPrecondition } from '../preconditions.ts'
import { s3Errors } from '../s3-errors.ts'
import { Delete, DeleteResult } from '../shapes.ts'
import { xmlReply } from './xml-reply.ts'

type Entry = Static<typeof Delete>['Object'][number]
type Deleted = Static<typeof DeleteResult>['Deleted'][number]
type Failed = Static<typeof DeleteResult>['Error'][number]

/** 1,000 keys of 1,024 bytes, each byte written `&#255;`, with room for the elements around them. */
const maxBodyBytes = 8 * 1024 * 1024
const concurrentDeletes = 16

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
 * x-amz-bypass-governance-retention holds for all of them, and is tolerated where no lock is (P-152).
 */
export const deleteObjects = defineOperation({
  name: 'DeleteObjects',
  match: { method: 'POST', on: 'bucket', query: ['delete'] },
  action: 's3:DeleteObject',
  asksPerKey: true,
  body: { root: 'Delete', shape: Delete, maxBytes: maxBodyBytes },
  async run({ bucket, body, headers, namespace, access, failed }) {
    await namespace.buckets.read(bucket)
    const limit = pLimit(concurrentDeletes)
    const remover = { namespace, access, failed, bucket, bypassGovernance: bypassesGovernance(headers) }
    const results = await limit.map(body.Object, (entry) => deleteEntry(remover, entry))
    return xmlReply('DeleteResult', DeleteResult, {
      Deleted: body.Quiet === true ? [] : results.filter((result) => !isFailed(result)),
      Error: results.filter(isFailed),
    })
  },
})

type Remover = Pick<Call, 'namespace' | 'access' | 'failed' | 'bucket'> & { readonly bypassGovernance: boolean }

/** One key's fate; whatever it is, the others have theirs (P-148). */
async function deleteEntry(
  { namespace, access, failed, bucket, bypassGovernance }: Remover,
  entry: Entry,
): Promise<Deleted | Failed> {
  const { Key, VersionId } = entry
  const target = { bucket, key: Key, versionId: VersionId }
  const named = { Key, ...(VersionId === undefined ? {} : { VersionId }) }
  try {
    await access.require('s3:DeleteObject', target)
    const { versionId, deleteMarker } = await namespace.objects.remove(target, {
      precondition: entryPrecondition(entry, Key),
      bypassGovernance,
    })
    // P-178: the marker that was made, or that was removed.
    return {
      ...named,
      ...(deleteMarker && versionId !== undefined && { DeleteMarker: true, DeleteMarkerVersionId: versionId }),
    }
  } catch (error) {
    // The single form answers 400 InvalidArgument here, this one NoSuchVersion (recorded).
    const isNoId = VersionId !== undefined && error instanceof NamespaceError && error.code === 'InvalidArgument'
    const failure = codeAndMessage(isNoId ? new NamespaceError('NoSuchVersion') : error)
    failed(target, failure.Code)
    return { ...named, ...failure }
  }
}

function isFailed(result: Deleted | Failed): result is Failed {
  return 'Code' in result
}

/** Errors that nobody foresaw are not a key's: they end the request, and are logged. */
function codeAndMessage(error: unknown): { Code: string; Message: string } {
  const coded = error instanceof NamespaceError || error instanceof GatewayError || error instanceof AuthError
  if (!coded) throw error
  return { Code: error.code, Message: error.detail.message ?? s3Errors[error.code].message }
}
