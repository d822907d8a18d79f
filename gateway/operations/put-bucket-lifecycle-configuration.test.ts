import { describe, expect, it } from 'vitest'
import { completeMultipartUpload } from './complete-multipart-upload.ts'
import { copyObject } from './copy-object.ts'
import { deleteBucketLifecycle } from './delete-bucket-lifecycle.ts'
import { getBucketLifecycleConfiguration } from './get-bucket-lifecycle-configuration.ts'
import { getObject } from './get-object.ts'
import { headObject } from './head-object.ts'
import { putBucketLifecycleConfiguration } from './put-bucket-lifecycle-configuration.ts'
import { putObject } from './put-object.ts'
import { createHarness, textsOf, xmlOf } from './testing/call-operation.ts'
import { beginUpload, sendPart } from './testing/fill.ts'

const element = (name: string, ...inner: readonly (string | number | boolean)[]) =>
  `<${name}>${inner.join('')}</${name}>`
const on = element('Status', 'Enabled')
const days = (count: number) => element('Expiration', element('Days', count))
const date = (text: string) => element('Expiration', element('Date', text))
const all = element('Prefix', '')
const rule = (...elements: readonly string[]) => element('Rule', ...elements)
const rules = (...each: readonly string[]) => element('LifecycleConfiguration', ...each)
const tag = (key: string, value: string) => element('Tag', element('Key', key), element('Value', value))

async function bucketHarness() {
  const harness = createHarness()
  await harness.namespace.buckets.create('photos')
  const put = (xml: string) => harness.call(putBucketLifecycleConfiguration, { bucket: 'photos', xml })
  const get = () => harness.call(getBucketLifecycleConfiguration, { bucket: 'photos' })
  return { ...harness, put, get }
}

it('keeps the rules of a bucket as they are put until they are deleted', async () => {
  const { call, put, get } = await bucketHarness()
  const one = rule(element('ID', 'a'), element('Prefix', 'x/'), on, days(1))
  const and = element('And', element('Prefix', 'y'), tag('k', 'v'), tag('l', ''), element('ObjectSizeLessThan', 9))
  const two = rule(
    element('ID', 'b'),
    element('Filter', and),
    element('Status', 'Disabled'),
    element('Expiration', element('Date', '2030-01-01T00:00:00.000Z')),
    element('NoncurrentVersionExpiration', element('NoncurrentDays', 3), element('NewerNoncurrentVersions', 5)),
  )
  const three = rule(
    element('ID', 'c'),
    element('Filter'),
    on,
    element('Expiration', element('ExpiredObjectDeleteMarker', true)),
    element('AbortIncompleteMultipartUpload', element('DaysAfterInitiation', 2)),
  )
  expect(await put(rules(one, two, three))).toEqual({ status: 200 })
  expect(xmlOf(await get()).replace(/^.*?\n<LifecycleConfiguration [^>]*>/, '<LifecycleConfiguration>')).toBe(
    rules(one, two, three),
  )
  expect(await call(deleteBucketLifecycle, { bucket: 'photos' })).toEqual({ status: 204 })
  await expect(get()).rejects.toMatchObject({ code: 'NoSuchLifecycleConfiguration' })
  expect(await call(deleteBucketLifecycle, { bucket: 'photos' })).toEqual({ status: 204 })
})

it('gives each rule without an id one of its own', async () => {
  const { put, get } = await bucketHarness()
  await put(rules(rule(all, on, days(1)), rule(element('ID', ''), all, on, days(2))))
  const ids = textsOf(await get(), 'ID')
  expect(new Set(ids.filter((id) => id !== '')).size).toBe(2)
})

it('takes conditions beside each other in a filter, which hold together, and dates without a time', async () => {
  const { put } = await bucketHarness()
  const filter = element('Filter', element('Prefix', 'a'), tag('t', 'v'), element('And', element('Prefix', 'ab')))
  expect(await put(rules(rule(filter, on, date('2017-09-27'))))).toEqual({ status: 200 })
})

describe('what is refused leaves the rules before as they were', () => {
  const transition = (...elements: readonly string[]) =>
    element('Transition', ...elements, element('StorageClass', 'GLACIER'))
  const filter = (...elements: readonly string[]) => rules(rule(element('Filter', ...elements), on, days(1)))
  const abort = element('AbortIncompleteMultipartUpload', element('DaysAfterInitiation', 1))
  it.each([
    ['no rule', rules(), 'MalformedXML'],
    ['another root', '<Lifecycle/>', 'MalformedXML'],
    ['a status in lower case', rules(rule(all, element('Status', 'enabled'), days(1))), 'MalformedXML'],
    ['no status', rules(rule(all, days(1))), 'MalformedXML'],
    ['prefix and filter', rules(rule(all, element('Filter'), on, days(1))), 'MalformedXML'],
    ['neither prefix nor filter', rules(rule(on, days(1))), 'MalformedXML'],
    ['two prefixes', rules(rule(all, all, on, days(1))), 'MalformedXML'],
    [
      'days and date',
      rules(rule(all, on, element('Expiration', element('Days', 1), element('Date', '2030-01-01')))),
      'MalformedXML',
    ],
    ['an empty expiration', rules(rule(all, on, element('Expiration'))), 'MalformedXML'],
    ['no date', rules(rule(all, on, date('20200101'))), 'MalformedXML'],
    ['30 February', rules(rule(all, on, date('2030-02-30T00:00:00Z'))), 'MalformedXML'],
    ['a date at noon', rules(rule(all, on, date('2030-01-01T12:00:00Z'))), 'InvalidArgument'],
    ['no days', rules(rule(all, on, days(0))), 'InvalidArgument'],
    ['days before', rules(rule(all, on, days(-1))), 'InvalidArgument'],
    ['days without end', rules(rule(all, on, days(9_007_199_254_740_991))), 'InvalidArgument'],
    ['an id of 256 characters', rules(rule(element('ID', 'i'.repeat(256)), all, on, days(1))), 'InvalidArgument'],
    ['an id twice', rules(...[1, 2].map((count) => rule(element('ID', 'i'), all, on, days(count)))), 'InvalidArgument'],
    ['no action', rules(rule(all, on)), 'InvalidRequest'],
    ['1,001 rules', rules(...Array.from({ length: 1001 }, () => rule(all, on, days(1)))), 'InvalidRequest'],
    ['a prefix of 1,025 bytes', rules(rule(element('Prefix', 'é'.repeat(513)), on, days(1))), 'InvalidRequest'],
    [
      'sizes that nothing has',
      filter(element('ObjectSizeGreaterThan', 5), element('ObjectSizeLessThan', 5)),
      'InvalidRequest',
    ],
    ['a negative size', filter(element('ObjectSizeGreaterThan', -1)), 'InvalidRequest'],
    ['a tag twice', filter(element('And', tag('a', '1'), tag('a', '2'))), 'InvalidTag'],
    ['uploads by tag', rules(rule(element('Filter', tag('a', 'b')), on, abort)), 'InvalidRequest'],
    ['a transition', rules(rule(all, on, transition(element('Days', 1)))), 'NotImplemented'],
    [
      'a transition at no date',
      rules(rule(all, on, transition(element('Date', '1970-08-23T00:48:47Z')))),
      'InvalidArgument',
    ],
    [
      'a transition of versions',
      rules(rule(all, on, element('NoncurrentVersionTransition', element('StorageClass', 'X')))),
      'NotImplemented',
    ],
  ])('%s', async (_, xml, code) => {
    const { put, get } = await bucketHarness()
    await put(rules(rule(element('ID', 'before'), all, on, days(1))))
    await expect(put(xml)).rejects.toMatchObject({ code })
    expect(textsOf(await get(), 'ID')).toEqual(['before'])
  })
})

it('an object says when it expires and by which rule, where one applies', async () => {
  const harness = await bucketHarness()
  const { call, put } = harness
  const key = 'days1/foo'
  await put(rules(rule(element('ID', 'rule 1'), element('Prefix', 'days1/'), on, days(1))))
  const said = { 'x-amz-expiration': 'expiry-date="Sun, 22 Nov 2026 00:00:00 GMT", rule-id="rule%201"' }
  expect((await call(putObject, { bucket: 'photos', key, bytes: 'x' })).headers).toMatchObject(said)
  expect((await call(headObject, { bucket: 'photos', key })).headers).toMatchObject(said)
  const got = await call(getObject, { bucket: 'photos', key })
  expect(got.headers).toMatchObject(said)
  const copyTo = (to: string) =>
    call(copyObject, { bucket: 'photos', key: to, headers: { 'x-amz-copy-source': `/photos/${key}` } })
  expect((await copyTo('days1/copy')).headers).toMatchObject(said)
  const complete = async (to: string) => {
    const uploadId = await beginUpload(harness, to)
    const eTag = await sendPart(harness, to, uploadId, 1, { bytes: 'x' })
    const xml = element('CompleteMultipartUpload', element('Part', element('PartNumber', 1), element('ETag', eTag)))
    return call(completeMultipartUpload, { bucket: 'photos', key: to, query: { uploadId }, xml })
  }
  expect((await complete('days1/upload')).headers).toMatchObject(said)
  const others = [
    await call(putObject, { bucket: 'photos', key: 'other', bytes: 'x' }),
    await copyTo('other copy'),
    await complete('other upload'),
  ]
  expect(others.map(({ headers }) => headers?.['x-amz-expiration'])).toEqual([undefined, undefined, undefined])
})
