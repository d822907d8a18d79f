import { expect, it } from 'vitest'
import { getCallerIdentity } from './get-caller-identity.ts'
import { alice, createHarness, textsOf } from './testing/call-operation.ts'

it('says who the caller is, in the words of policies', async () => {
  const reply = await createHarness().call(getCallerIdentity)
  expect(textsOf(reply, 'Arn')).toEqual([`arn:aws:iam::${alice.canonicalId}:user/alice`])
  expect([...textsOf(reply, 'UserId'), ...textsOf(reply, 'Account')]).toEqual([alice.canonicalId, alice.canonicalId])
})

it('an anonymous caller is nobody', async () => {
  const asked = createHarness().call(getCallerIdentity, { identity: null })
  await expect(asked).rejects.toMatchObject({ code: 'MissingAuthenticationToken' })
})
