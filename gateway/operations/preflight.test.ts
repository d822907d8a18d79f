import { expect, it } from 'vitest'
import { writeBucketDocument } from '../bucket-documents.ts'
import { preflights } from './preflight.ts'
import { createHarness } from './testing/call-operation.ts'
import { fill } from './testing/fill.ts'

const onObject = preflights.filter((operation) => operation.match.on === 'object')

it('is there on service, bucket and object, for anybody (P-026)', () => {
  expect(preflights.map((operation) => operation.match.on).sort()).toEqual(['bucket', 'object', 'service'])
  expect(preflights.every((operation) => operation.action === undefined)).toBe(true)
})

it.each(onObject)('wants an Origin (P-198)', async (preflight) => {
  const harness = createHarness()
  await fill(harness)
  await expect(harness.call(preflight, { bucket: 'photos', key: 'cat', identity: null })).rejects.toMatchObject({
    code: 'BadRequest',
    message: 'Insufficient information. Origin request header needed.',
  })
})

it.each(onObject)('allows nothing where no rules are (P-198)', async (preflight) => {
  const harness = createHarness()
  await fill(harness)
  const headers = { origin: 'https://example.com', 'access-control-request-method': 'PUT' }
  await expect(harness.call(preflight, { bucket: 'photos', headers })).rejects.toMatchObject({
    code: 'AccessForbidden',
    message: 'CORSResponse: CORS is not enabled for this bucket.',
    detail: { Method: 'PUT', ResourceType: 'BUCKET' },
  })
  await expect(harness.call(preflight, { bucket: 'films', headers })).rejects.toMatchObject({
    message: 'CORSResponse: Bucket not found',
  })
})

it.each(onObject)('wants to know the method (P-198)', async (preflight) => {
  const { call } = createHarness()
  for (const method of [undefined, 'PATCH', 'get']) {
    const asked = method === undefined ? {} : { 'access-control-request-method': method }
    await expect(call(preflight, { bucket: 'photos', headers: { origin: 'o', ...asked } })).rejects.toMatchObject({
      code: 'BadRequest',
      message: `Invalid Access-Control-Request-Method: ${method ?? 'null'}`,
    })
  }
})

it.each(onObject)('answers by the rules of the bucket, also of a key that is not there', async (preflight) => {
  const harness = createHarness()
  await fill(harness)
  const rules = [{ allowedMethods: ['GET'], allowedOrigins: ['https://*.example.com'], maxAgeSeconds: 60 }]
  await writeBucketDocument(harness.namespace, 'photos', 'cors', { rules })
  const ask = (origin: string, more = {}) => {
    const headers = { origin, 'access-control-request-method': 'GET', ...more }
    return harness.call(preflight, { bucket: 'photos', key: 'none', headers, identity: null })
  }
  expect(await ask('https://a.example.com')).toMatchObject({
    status: 200,
    headers: { 'access-control-allow-origin': 'https://a.example.com', 'access-control-max-age': '60' },
  })
  await expect(ask('https://a.example.org')).rejects.toMatchObject({ code: 'AccessForbidden' })
  const withHeader = ask('https://a.example.com', { 'access-control-request-headers': 'x-amz-meta-a' })
  await expect(withHeader).rejects.toMatchObject({ code: 'AccessForbidden' })
})
