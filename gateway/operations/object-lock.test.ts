import { describe, expect, it } from 'vitest'
import { completeMultipartUpload } from './complete-multipart-upload.ts'
import { copyObject } from './copy-object.ts'
import { createBucket } from './create-bucket.ts'
import { createMultipartUpload } from './create-multipart-upload.ts'
import { getObjectLegalHold } from './get-object-legal-hold.ts'
import { getObjectLockConfiguration } from './get-object-lock-configuration.ts'
import { getObjectRetention } from './get-object-retention.ts'
import { headObject } from './head-object.ts'
import { putObject } from './put-object.ts'
import { putObjectLegalHold } from './put-object-legal-hold.ts'
import { putObjectLockConfiguration } from './put-object-lock-configuration.ts'
import { putObjectRetention } from './put-object-retention.ts'
import { createHarness, type Request, textsOf, xmlOf } from './testing/call-operation.ts'
import { beginUpload, fill, sendPart } from './testing/fill.ts'

const photos = { bucket: 'photos' }
const cat = { bucket: 'photos', key: 'cat' }
const mode = 'x-amz-object-lock-mode'
const until = 'x-amz-object-lock-retain-until-date'
const hold = 'x-amz-object-lock-legal-hold'
const held = { [mode]: 'GOVERNANCE', [until]: '2030-01-01T00:00:00Z', [hold]: 'ON' }

/** Requests are of 2026-11-20T12:00:00Z. */
async function lockedBucket() {
  const harness = createHarness()
  await harness.call(createBucket, { ...photos, headers: { 'x-amz-bucket-object-lock-enabled': 'true' } })
  const lockOf = async (key = 'cat') => {
    const { headers = {} } = await harness.call(headObject, { bucket: 'photos', key })
    return [headers[mode], headers[until], headers[hold]]
  }
  return { ...harness, lockOf }
}

const configuration = (retention: string, enabled = 'Enabled') =>
  `<ObjectLockConfiguration><ObjectLockEnabled>${enabled}</ObjectLockEnabled><Rule><DefaultRetention>${retention}</DefaultRetention></Rule></ObjectLockConfiguration>`

const aDay = configuration('<Mode>COMPLIANCE</Mode><Days>1</Days>')

const retention = (to: string, date: string) =>
  `<Retention><Mode>${to}</Mode><RetainUntilDate>${date}</RetainUntilDate></Retention>`

/** What reads the body throws at once. */
const codeOf = (work: () => Promise<unknown>) =>
  (async () => work())().then(
    () => undefined,
    (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
  )

describe('of a bucket', () => {
  it('comes with versioning, and an empty configuration', async () => {
    const { call, namespace } = await lockedBucket()
    expect(await namespace.documents.find('photos', 'versioning')).toEqual({ status: 'Enabled' })
    const reply = await call(getObjectLockConfiguration, photos)
    expect(textsOf(reply, 'ObjectLockEnabled')).toEqual(['Enabled'])
    expect(xmlOf(reply)).not.toContain('Rule')
  })

  it.each(['false', 'False'])('is not there where the header says %s', async (value) => {
    const { call } = createHarness()
    await call(createBucket, { ...photos, headers: { 'x-amz-bucket-object-lock-enabled': value } })
    expect(await codeOf(() => call(getObjectLockConfiguration, photos))).toBe('ObjectLockConfigurationNotFoundError')
  })

  it('gives its rule back, and forgets it when put without', async () => {
    const { call } = await lockedBucket()
    expect((await call(putObjectLockConfiguration, { ...photos, xml: aDay })).status).toBe(200)
    const reply = await call(getObjectLockConfiguration, photos)
    expect([textsOf(reply, 'Mode'), textsOf(reply, 'Days'), textsOf(reply, 'Years')]).toEqual([
      ['COMPLIANCE'],
      ['1'],
      [],
    ])
    const bare = '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>'
    await call(putObjectLockConfiguration, { ...photos, xml: bare })
    expect(textsOf(await call(getObjectLockConfiguration, photos), 'Mode')).toEqual([])
  })

  it('can be turned on later, but only with versioning (P-194)', async () => {
    const { call, namespace } = createHarness()
    await call(createBucket, photos)
    const put = () => codeOf(() => call(putObjectLockConfiguration, { ...photos, xml: aDay }))
    expect(await put()).toBe('InvalidBucketState')
    await namespace.documents.write('photos', 'versioning', { status: 'Suspended' })
    expect(await put()).toBe('InvalidBucketState')
    await namespace.documents.write('photos', 'versioning', { status: 'Enabled' })
    expect(await put()).toBeUndefined()
  })

  it.each([
    ['days and years', configuration('<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>'), 'MalformedXML'],
    ['neither days nor years', configuration('<Mode>GOVERNANCE</Mode>'), 'MalformedXML'],
    ['0 days', configuration('<Mode>GOVERNANCE</Mode><Days>0</Days>'), 'InvalidRetentionPeriod'],
    ['-1 years', configuration('<Mode>GOVERNANCE</Mode><Years>-1</Years>'), 'InvalidRetentionPeriod'],
    ['101 years', configuration('<Mode>GOVERNANCE</Mode><Years>101</Years>'), 'InvalidArgument'],
    ['36,501 days', configuration('<Mode>GOVERNANCE</Mode><Days>36501</Days>'), 'InvalidArgument'],
    ['half a day', configuration('<Mode>GOVERNANCE</Mode><Days>0.5</Days>'), 'MalformedXML'],
    ['an unknown mode', configuration('<Mode>governance</Mode><Days>1</Days>'), 'MalformedXML'],
    ['no mode', configuration('<Days>1</Days>'), 'MalformedXML'],
    ['Disabled', configuration('<Mode>GOVERNANCE</Mode><Days>1</Days>', 'Disabled'), 'MalformedXML'],
    ['nothing', '<ObjectLockConfiguration/>', 'MalformedXML'],
    ['a rule of nothing', configuration('').replace(/<DefaultRetention>.*<.DefaultRetention>/, ''), 'MalformedXML'],
  ])('a configuration of %s is refused, and the one of before stays (P-195)', async (_, xml, code) => {
    const { call } = await lockedBucket()
    await call(putObjectLockConfiguration, { ...photos, xml: aDay })
    expect(await codeOf(() => call(putObjectLockConfiguration, { ...photos, xml }))).toBe(code)
    expect(textsOf(await call(getObjectLockConfiguration, photos), 'Days')).toEqual(['1'])
  })
})

describe('of a new object', () => {
  it('is what the headers say, and shown by HEAD', async () => {
    const { call, lockOf } = await lockedBucket()
    await call(putObject, { ...cat, headers: held })
    expect(await lockOf()).toEqual(['GOVERNANCE', '2030-01-01T00:00:00.000Z', 'ON'])
  })

  it('is what the rule says where the headers say nothing', async () => {
    const { call, lockOf } = await lockedBucket()
    await call(putObjectLockConfiguration, { ...photos, xml: aDay })
    await call(putObject, { ...cat, headers: { [hold]: 'OFF' } })
    expect(await lockOf()).toEqual(['COMPLIANCE', '2026-11-21T12:00:00.000Z', 'OFF'])
    await call(putObject, { ...cat, headers: held })
    expect(await lockOf()).toEqual(['GOVERNANCE', '2030-01-01T00:00:00.000Z', 'ON'])
    const years = configuration('<Mode>GOVERNANCE</Mode><Years>2</Years>')
    await call(putObjectLockConfiguration, { ...photos, xml: years })
    await call(putObject, cat)
    expect(await lockOf()).toEqual(['GOVERNANCE', '2028-11-20T12:00:00.000Z', undefined])
  })

  it('a copy has its own and never the lock of its source', async () => {
    const { call, lockOf } = await lockedBucket()
    await call(putObject, { ...cat, headers: held })
    const source = { 'x-amz-copy-source': '/photos/cat' }
    const copy = (headers: Request['headers']) =>
      call(copyObject, { bucket: 'photos', key: 'copy', headers: { ...source, ...headers } })
    await copy({})
    expect(await lockOf('copy')).toEqual([undefined, undefined, undefined])
    await copy({ [hold]: 'ON' })
    expect(await lockOf('copy')).toEqual([undefined, undefined, 'ON'])
    await call(putObjectLockConfiguration, { ...photos, xml: aDay })
    await copy({})
    expect(await lockOf('copy')).toEqual(['COMPLIANCE', '2026-11-21T12:00:00.000Z', undefined])
  })

  it('an upload has the one that it began with, else what the rule says at its end', async () => {
    const harness = await lockedBucket()
    const complete = async (headers: Request['headers']) => {
      const uploadId = await beginUpload(harness, 'cat', headers === undefined ? {} : { headers })
      const eTag = await sendPart(harness, 'cat', uploadId, 1, { bytes: 'x' })
      await harness.call(putObjectLockConfiguration, { ...photos, xml: aDay })
      const xml = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${eTag}</ETag></Part></CompleteMultipartUpload>`
      await harness.call(completeMultipartUpload, { ...cat, query: { uploadId }, xml })
      return harness.lockOf()
    }
    expect(await complete({ [hold]: 'ON' })).toEqual(['COMPLIANCE', '2026-11-21T12:00:00.000Z', 'ON'])
    expect(await complete(held)).toEqual(['GOVERNANCE', '2030-01-01T00:00:00.000Z', 'ON'])
  })

  it.each([
    ['PutObject', putObject, {}],
    ['CopyObject', copyObject, { 'x-amz-copy-source': '/photos/cat' }],
    ['CreateMultipartUpload', createMultipartUpload, {}],
  ])('%s is refused where its bucket has none, for OFF too (P-194)', async (_, operation, more) => {
    const harness = createHarness()
    await fill(harness, ['cat'])
    const asked = (headers: Readonly<Record<string, string>>) =>
      codeOf(() => harness.call(operation, { bucket: 'photos', key: 'dog', headers: { ...more, ...headers } }))
    expect(await asked(held)).toBe('InvalidRequest')
    expect(await asked({ [hold]: 'OFF' })).toBe('InvalidRequest')
    expect(await asked({ [hold]: 'perhaps' })).toBe('InvalidArgument')
    expect(await codeOf(() => harness.namespace.objects.stat({ bucket: 'photos', key: 'dog' }))).toBe('NoSuchKey')
  })
})

describe('of an object that is there', () => {
  it('retention is put, extended, and shortened only by who bypasses it', async () => {
    const { call } = await lockedBucket()
    await call(putObject, cat)
    const put = (xml: string, bypass = false) =>
      codeOf(() =>
        call(putObjectRetention, {
          ...cat,
          xml,
          headers: bypass ? { 'x-amz-bypass-governance-retention': 'true' } : {},
        }),
      )
    expect(await codeOf(() => call(getObjectRetention, cat))).toBe('NoSuchObjectLockConfiguration')
    expect(await put(retention('GOVERNANCE', '2030-01-03T00:00:00Z'))).toBeUndefined()
    expect(await put(retention('GOVERNANCE', '2030-01-01T00:00:00Z'))).toBe('AccessDenied')
    expect(await put('<Retention/>')).toBe('AccessDenied')
    const reply = await call(getObjectRetention, cat)
    expect([textsOf(reply, 'Mode'), textsOf(reply, 'RetainUntilDate')]).toEqual([
      ['GOVERNANCE'],
      ['2030-01-03T00:00:00.000Z'],
    ])
    expect(await put('<Retention/>', true)).toBeUndefined()
    expect(await codeOf(() => call(getObjectRetention, cat))).toBe('NoSuchObjectLockConfiguration')
    expect(await put(retention('COMPLIANCE', '2030-01-03T00:00:00Z'))).toBeUndefined()
    expect(await put('<Retention/>', true)).toBe('AccessDenied')
  })

  it.each([
    ['an unknown mode', retention('governance', '2030-01-01T00:00:00Z'), 'MalformedXML'],
    ['no date', '<Retention><Mode>GOVERNANCE</Mode></Retention>', 'MalformedXML'],
    ['no mode', '<Retention><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate></Retention>', 'MalformedXML'],
    ['a date that is none', retention('GOVERNANCE', 'tomorrow'), 'MalformedXML'],
    ['a date that is over', retention('GOVERNANCE', '2020-01-01T00:00:00Z'), 'InvalidArgument'],
    ['another document', '<LegalHold><Status>ON</Status></LegalHold>', 'MalformedXML'],
  ])('retention of %s is refused (P-195)', async (_, xml, code) => {
    const { call } = await lockedBucket()
    await call(putObject, cat)
    expect(await codeOf(() => call(putObjectRetention, { ...cat, xml }))).toBe(code)
    expect(await codeOf(() => call(getObjectRetention, cat))).toBe('NoSuchObjectLockConfiguration')
  })

  it('a hold is put on and off, beside tags and retention', async () => {
    const { call, lockOf } = await lockedBucket()
    await call(putObject, {
      ...cat,
      headers: { 'x-amz-tagging': 'a=b', [mode]: held[mode] ?? '', [until]: held[until] ?? '' },
    })
    expect(await codeOf(() => call(getObjectLegalHold, cat))).toBe('NoSuchObjectLockConfiguration')
    for (const status of ['ON', 'OFF']) {
      await call(putObjectLegalHold, { ...cat, xml: `<LegalHold><Status>${status}</Status></LegalHold>` })
      expect(textsOf(await call(getObjectLegalHold, cat), 'Status')).toEqual([status])
      expect(await lockOf()).toEqual(['GOVERNANCE', '2030-01-01T00:00:00.000Z', status])
    }
    expect((await call(headObject, cat)).headers).toMatchObject({ 'x-amz-tagging-count': 1 })
  })

  it.each([
    '<LegalHold><Status>abc</Status></LegalHold>',
    '<LegalHold><Status>on</Status></LegalHold>',
    '<LegalHold/>',
  ])('the hold %s is MalformedXML', async (xml) => {
    const { call } = await lockedBucket()
    await call(putObject, cat)
    expect(await codeOf(() => call(putObjectLegalHold, { ...cat, xml }))).toBe('MalformedXML')
  })

  it.each([
    ['GetObjectRetention', getObjectRetention, undefined],
    ['PutObjectRetention', putObjectRetention, retention('GOVERNANCE', '2030-01-01T00:00:00Z')],
    ['GetObjectLegalHold', getObjectLegalHold, undefined],
    ['PutObjectLegalHold', putObjectLegalHold, '<LegalHold><Status>ON</Status></LegalHold>'],
  ])(
    '%s is refused where the bucket has no lock, no object is there, or no bucket (P-194)',
    async (_, operation, xml) => {
      const request = xml === undefined ? {} : { xml }
      const harness = createHarness()
      await fill(harness, ['cat'])
      expect(await codeOf(() => harness.call(operation, { ...cat, ...request }))).toBe('InvalidRequest')
      const { call } = await lockedBucket()
      expect(await codeOf(() => call(operation, { ...cat, ...request }))).toBe('NoSuchKey')
      expect(await codeOf(() => call(operation, { bucket: 'films', key: 'cat', ...request }))).toBe('NoSuchBucket')
    },
  )
})
