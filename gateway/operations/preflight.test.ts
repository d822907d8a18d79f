import { expect, it } from 'vitest'
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
