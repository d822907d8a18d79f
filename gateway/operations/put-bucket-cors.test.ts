import { expect, it } from 'vitest'
import { deleteBucketCors } from './delete-bucket-cors.ts'
import { getBucketCors } from './get-bucket-cors.ts'
import { putBucketCors } from './put-bucket-cors.ts'
import { createHarness, textsOf, xmlOf } from './testing/call-operation.ts'

const element = (name: string, text: string | number) => `<${name}>${text}</${name}>`
const get = element('AllowedMethod', 'GET')
const any = element('AllowedOrigin', '*')
const rule = (...elements: readonly string[]) => element('CORSRule', elements.join(''))
const cors = (...rules: readonly string[]) => element('CORSConfiguration', rules.join(''))

async function bucketHarness() {
  const harness = createHarness()
  await harness.namespace.buckets.create('photos')
  return harness
}

it('keeps the rules of a bucket in order until they are deleted', async () => {
  const { call } = await bucketHarness()
  const xml = cors(
    rule(element('ID', 'one'), get, element('AllowedMethod', 'PUT'), element('AllowedOrigin', 'http://*.a'), any),
    rule(any, get, element('ExposeHeader', 'ETag'), element('AllowedHeader', 'x-*'), element('MaxAgeSeconds', 30)),
  )
  expect(await call(putBucketCors, { bucket: 'photos', xml })).toEqual({ status: 200 })
  const reply = await call(getBucketCors, { bucket: 'photos' })
  expect(textsOf(reply, 'AllowedMethod')).toEqual(['GET', 'PUT', 'GET'])
  expect(textsOf(reply, 'AllowedOrigin')).toEqual(['http://*.a', '*', '*'])
  expect(xmlOf(reply)).toContain('<ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>30</MaxAgeSeconds></CORSRule>')
  expect(await call(deleteBucketCors, { bucket: 'photos' })).toEqual({ status: 204 })
  await expect(call(getBucketCors, { bucket: 'photos' })).rejects.toMatchObject({ code: 'NoSuchCORSConfiguration' })
  expect(await call(deleteBucketCors, { bucket: 'photos' })).toEqual({ status: 204 })
})

it.each([
  ['no rule', cors(), 'MalformedXML'],
  ['a rule without a method', cors(rule(any)), 'MalformedXML'],
  ['a rule without an origin', cors(rule(get)), 'MalformedXML'],
  ['two ages', cors(rule(get, any, element('MaxAgeSeconds', 1), element('MaxAgeSeconds', 2))), 'MalformedXML'],
  ['a negative age', cors(rule(get, any, element('MaxAgeSeconds', -1))), 'MalformedXML'],
  ['an age that is no number', cors(rule(get, any, element('MaxAgeSeconds', '1e3'))), 'MalformedXML'],
  ['another root', '<CORS/>', 'MalformedXML'],
  ['an unknown method', cors(rule(element('AllowedMethod', 'PATCH'), any)), 'InvalidRequest'],
  ['a method in lower case', cors(rule(element('AllowedMethod', 'get'), any)), 'InvalidRequest'],
  ['two stars in an origin', cors(rule(get, element('AllowedOrigin', 'http://*.*'))), 'InvalidRequest'],
  ['two stars in a header', cors(rule(get, any, element('AllowedHeader', '*x*'))), 'InvalidRequest'],
  ['a star in an exposed header', cors(rule(get, any, element('ExposeHeader', 'x-*'))), 'InvalidRequest'],
  [
    'an exposed header that breaks lines',
    cors(rule(get, any, element('ExposeHeader', 'a&#13;&#10;b'))),
    'InvalidRequest',
  ],
  ['an id of 256 characters', cors(rule(get, any, element('ID', 'i'.repeat(256)))), 'InvalidRequest'],
  ['101 rules', cors(...Array.from({ length: 101 }, () => rule(get, any))), 'InvalidRequest'],
])('refuses %s, and the rules before stay', async (_, xml, code) => {
  const { call } = await bucketHarness()
  await call(putBucketCors, { bucket: 'photos', xml: cors(rule(get, any)) })
  await expect(call(putBucketCors, { bucket: 'photos', xml })).rejects.toMatchObject({ code })
  expect(textsOf(await call(getBucketCors, { bucket: 'photos' }), 'AllowedMethod')).toEqual(['GET'])
})

it('passes over elements that it does not know', async () => {
  const { call } = await bucketHarness()
  const xml = cors(rule(get, any, element('Colour', 'red')))
  await call(putBucketCors, { bucket: 'photos', xml })
  expect(xmlOf(await call(getBucketCors, { bucket: 'photos' }))).not.toContain('Colour')
})

it('100 rules are allowed', async () => {
  const { call } = await bucketHarness()
  const xml = cors(...Array.from({ length: 100 }, () => rule(get, any)))
  expect(await call(putBucketCors, { bucket: 'photos', xml })).toEqual({ status: 200 })
})

it('knows no rules of a bucket that is not there', async () => {
  const { call } = createHarness()
  await expect(call(getBucketCors, { bucket: 'photos' })).rejects.toMatchObject({ code: 'NoSuchBucket' })
})
