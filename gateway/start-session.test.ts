import { expect, it } from 'vitest'
import type { Directory, Identity } from '#auth'
import { GatewayError } from './gateway-error.ts'
import { alice, sessionsOf } from './operations/testing/call-operation.ts'
import { passwordTrials } from './password-trials.ts'
import { type AskedSession, startSession } from './start-session.ts'

const expires = new Date('2026-11-20T13:00:00Z')
const asked: AskedSession = { userName: 'alice', password: 'open sesame', expires, policy: undefined }

function setUp(authenticate: Directory['authenticate'], perMinute = 2) {
  const [outcomes, started]: [string[], Identity[]] = [[], []]
  const options = {
    directory: { authenticate },
    sessions: sessionsOf(),
    trials: passwordTrials(perMinute, () => 0),
    client: '192.0.2.7',
    tried: (outcome: string) => void outcomes.push(outcome),
    started: (identity: Identity) => void started.push(identity),
  }
  const ask = (changes: Partial<AskedSession> = {}) => startSession({ ...asked, ...changes }, options)
  return { ask, outcomes, started }
}

const right: Directory['authenticate'] = async () => ({ userId: '7', identity: { ...alice, accessKeyId: '' } })

it('a right password is worth credentials that any worker opens, and whose they are is told', async () => {
  const { ask, outcomes, started } = setUp(right)
  const { accessKeyId, secret, token } = await ask()
  const opened = { accessKeyId, secret, userId: '7', canonicalId: alice.canonicalId, expires, policy: undefined }
  expect(sessionsOf().open(token)).toEqual(opened)
  expect(started).toEqual([{ ...alice, accessKeyId }])
  expect(outcomes).toEqual(['right'])
})

it('right passwords are never too many', async () => {
  const { ask, outcomes } = setUp(right)
  for (let times = 0; times < 5; times++) await ask()
  expect(outcomes).toEqual(Array(5).fill('right'))
})

it('a wrong password, an unknown user and one who was tried too often are one and the same answer', async () => {
  const answers = await Promise.all(
    [undefined, 'throttled' as const].map(async (answer) => {
      const { ask, outcomes, started } = setUp(async () => answer)
      const error = await ask().catch((thrown: unknown) => thrown)
      expect(started).toEqual([])
      return { error, outcomes }
    }),
  )
  expect(answers.map(({ outcomes }) => outcomes)).toEqual([['wrong'], ['throttled user']])
  const [one, other] = answers.map(({ error }) => error)
  expect(one).toBeInstanceOf(GatewayError)
  expect(one).toMatchObject({ code: 'AccessDenied' })
  expect(other).toEqual(one)
})

it('after too many wrong ones of an address the directory is not asked any more, right or wrong', async () => {
  const names: string[] = []
  const { ask, outcomes } = setUp(async (name) => {
    names.push(name)
    return undefined
  })
  for (const userName of ['a', 'b']) await expect(ask({ userName })).rejects.toMatchObject({ code: 'AccessDenied' })
  for (const userName of ['a', 'c']) await expect(ask({ userName })).rejects.toMatchObject({ code: 'Throttling' })
  expect(names).toEqual(['a', 'b'])
  expect(outcomes).toEqual(['wrong', 'wrong', 'throttled client', 'throttled client'])
})

it('many at once are held to the same number', async () => {
  const { ask, outcomes } = setUp(async () => undefined)
  await Promise.allSettled(Array.from({ length: 10 }, () => ask()))
  expect(outcomes.filter((outcome) => outcome === 'wrong')).toHaveLength(2)
})

it('a directory that is away counts against nobody', async () => {
  const { ask, outcomes } = setUp(async () => {
    throw new Error('away')
  })
  for (let times = 0; times < 5; times++) await expect(ask()).rejects.toThrow('away')
  expect(outcomes).toEqual([])
})

it('a policy that is none is told before a password is tried', async () => {
  const { ask, outcomes } = setUp(right)
  const policy = JSON.stringify({ Statement: { Effect: 'Allow', Action: 's3:Get', Resource: '*' } })
  await expect(ask({ policy })).rejects.toMatchObject({
    code: 'MalformedPolicyDocument',
    message: 'Policy has invalid action',
  })
  expect(outcomes).toEqual([])
})
