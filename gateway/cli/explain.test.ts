import { expect, it } from 'vitest'
import type { Decision, User } from '#auth'
import { authorize } from '../authorize.ts'
import { writeBucketDocument } from '../bucket-documents.ts'
import { getObject } from '../operations/get-object.ts'
import { putObject } from '../operations/put-object.ts'
import { alice, bob, createHarness, directory } from '../operations/testing/call-operation.ts'
import { fill } from '../operations/testing/fill.ts'
import { parseS3Request } from '../s3-request.ts'
import { explain } from './explain.ts'

const userOf = (identity: typeof alice): User => ({ ...identity, id: identity.userName, disabled: false })
const s3 = { accountPublicAccessBlock: false }

it('the verdict and its reason are those that a request gets', async () => {
  const harness = createHarness()
  await fill(harness, ['a', 'kept'])
  const Statement = [
    { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: 'arn:aws:s3:::photos/*' },
    { Sid: 'Kept', Effect: 'Deny', Principal: '*', Action: 's3:*', Resource: 'arn:aws:s3:::photos/kept' },
  ]
  await writeBucketDocument(harness.namespace, 'photos', 'policy', {
    text: JSON.stringify({ Version: '2012-10-17', Statement }),
  })
  const seen: boolean[] = []
  for (const identity of [alice, bob, undefined])
    for (const operation of [getObject, putObject])
      for (const key of ['a', 'kept', 'none']) {
        const namespace = harness.memory.as(identity ?? bob)
        const decisions: Decision[] = []
        const request = { method: operation.match.method, rawUrl: `/photos/${key}`, headers: [] }
        await authorize({
          operation,
          request: parseS3Request(request),
          identity,
          namespace,
          directory,
          circumstances: { clientAddress: '192.0.2.7', scheme: 'https', now: new Date() },
          s3,
          decided: (_action, _resource, decision) => decisions.push(decision),
        }).catch(() => {})
        const question = { action: operation.action ?? '', resource: `photos/${key}`, condition: new Map() }
        const explained = explain({ namespace: () => namespace, directory, s3 }, identity && userOf(identity), question)
        // Who may know that an object is not there is told so by both, without a verdict.
        expect(await explained.then((decision) => [decision]).catch(() => [])).toEqual(decisions)
        seen.push(...decisions.map(({ allow }) => allow))
      }
  expect(new Set(seen)).toEqual(new Set([true, false]))
})
