import { describe, expect, it } from 'vitest'
import type { Operation } from '../operation.ts'
import { fixedAnswers } from './fixed-answers.ts'
import { createHarness, textsOf, xmlOf } from './testing/call-operation.ts'
import { fill } from './testing/fill.ts'

function named(name: string): Operation {
  const operation = fixedAnswers.find((answer) => answer.name === name)
  if (operation === undefined) throw new Error(`no ${name}`)
  return operation
}

async function ask(name: string, xml?: string) {
  const harness = createHarness()
  await fill(harness, ['cat'])
  const operation = named(name)
  const key = operation.match.on === 'object' ? 'cat' : ''
  return harness.call(operation, { bucket: 'photos', key, ...(xml === undefined ? {} : { xml }) })
}

describe('what nobody can have configured is answered as AWS answers where nobody has (13.1, 13.2)', () => {
  it.each([
    ['GetBucketWebsite', 'NoSuchWebsiteConfiguration'],
    ['GetBucketReplication', 'ReplicationConfigurationNotFoundError'],
    ['GetBucketMetricsConfiguration', 'NoSuchConfiguration'],
    ['DeleteBucketInventoryConfiguration', 'NoSuchConfiguration'],
    ['GetObjectTorrent', 'NoSuchKey'],
    ['RestoreObject', 'InvalidObjectState'],
  ])('%s is %s', async (name, code) => {
    await expect(ask(name)).rejects.toMatchObject({ code })
  })

  it.each([
    ['GetBucketAccelerateConfiguration', 'AccelerateConfiguration'],
    ['GetBucketLogging', 'BucketLoggingStatus'],
    ['GetBucketNotificationConfiguration', 'NotificationConfiguration'],
  ])('%s is an empty %s', async (name, root) => {
    expect(xmlOf(await ask(name))).toMatch(new RegExp(`<${root} [^>]*(/>|></${root}>)`))
  })

  it('GetBucketRequestPayment says that the owner pays', async () => {
    expect(textsOf(await ask('GetBucketRequestPayment'), 'Payer')).toEqual(['BucketOwner'])
  })

  it.each(['Analytics', 'Inventory', 'Metrics', 'IntelligentTiering'])(
    'there are no %s configurations',
    async (kind) => {
      expect(textsOf(await ask(`ListBucket${kind}Configurations`), 'IsTruncated')).toEqual(['false'])
    },
  )

  it.each(['DeleteBucketWebsite', 'DeleteBucketReplication'])('%s is 204', async (name) => {
    expect(await ask(name)).toEqual({ status: 204 })
  })
})

describe('a put is accepted only where it asks for what holds anyway (13.2)', () => {
  it.each([
    [
      'PutBucketRequestPayment',
      '<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>',
    ],
    ['PutBucketLogging', '<BucketLoggingStatus xmlns="http://doc.s3.amazonaws.com/2006-03-01" />'],
    ['PutBucketNotificationConfiguration', '<NotificationConfiguration/>'],
  ])('%s %s', async (name, xml) => {
    expect((await ask(name, xml)).status).toBe(200)
  })

  it.each([
    ['PutBucketRequestPayment', '<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>'],
    [
      'PutBucketLogging',
      '<BucketLoggingStatus><LoggingEnabled><TargetBucket>logs</TargetBucket></LoggingEnabled></BucketLoggingStatus>',
    ],
    [
      'PutBucketNotificationConfiguration',
      '<NotificationConfiguration><QueueConfiguration><Queue>q</Queue></QueueConfiguration></NotificationConfiguration>',
    ],
  ])('%s %s is 501', async (name, xml) => {
    await expect(ask(name, xml)).rejects.toMatchObject({ code: 'NotImplemented' })
  })
})

describe('what is not implemented says so', () => {
  it.each(['RenameObject', 'PutObjectAnnotation', 'PutBucketWebsite', 'SelectObjectContent', 'CreateSession'])(
    '%s',
    async (name) => {
      await expect(ask(name)).rejects.toMatchObject({ code: 'NotImplemented' })
    },
  )

  it('to anybody who posts to the root, fast (P-027, P-214)', async () => {
    const { call } = createHarness()
    expect(named('PostService').action).toBeUndefined()
    await expect(call(named('PostService'), { identity: null })).rejects.toMatchObject({ code: 'NotImplemented' })
  })
})

it('nothing is said of a bucket or an object that is not there', async () => {
  const harness = createHarness()
  await expect(harness.call(named('GetBucketWebsite'), { bucket: 'films' })).rejects.toMatchObject({
    code: 'NoSuchBucket',
  })
  await fill(harness)
  await expect(harness.call(named('GetObjectTorrent'), { bucket: 'photos', key: 'dog' })).rejects.toMatchObject({
    code: 'NoSuchKey',
  })
})
