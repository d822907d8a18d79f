import { describe, expect, it } from 'vitest'
import { corsHeaders } from './cors.ts'

const rule = { allowedMethods: ['GET'], allowedOrigins: ['*'] }
const ask = (
  rules: Parameters<typeof corsHeaders>[0],
  origin: string,
  method = 'GET',
  requestHeaders: string | undefined = undefined,
) => corsHeaders(rules, { origin, method, requestHeaders })

describe('an origin', () => {
  const rules = ['*suffix', 'start*end', 'prefix*', 'https://example.com'].map((each) => ({
    ...rule,
    allowedOrigins: [each],
  }))

  it.each(['foo.suffix', 'suffix', 'startend', 'start1end', 'prefix', 'prefix.x', 'https://example.com'])(
    '%s fits, and is named in the answer',
    (origin) => expect(ask(rules, origin)?.['access-control-allow-origin']).toBe(origin),
  )

  it.each(['foo.suffix.get', '0start1end', 'staend', 'bla.prefix', 'HTTPS://example.com', ''])(
    '%s does not',
    (origin) => expect(ask(rules, origin)).toBeUndefined(),
  )

  it('that is any is answered with * and without credentials', () => {
    const headers = ask([rule], 'https://a')
    expect(headers?.['access-control-allow-origin']).toBe('*')
    expect(headers?.['access-control-allow-credentials']).toBeUndefined()
    expect(ask(rules, 'prefix')?.['access-control-allow-credentials']).toBe('true')
  })

  it('with one pattern of two halves is not matched by less than both', () => {
    expect(ask([{ ...rule, allowedOrigins: ['aba*ba'] }], 'aba')).toBeUndefined()
  })
})

describe('a rule', () => {
  it('holds for its methods only, and the first that fits decides', () => {
    const rules = [
      { allowedMethods: ['PUT', 'POST'], allowedOrigins: ['https://a'], maxAgeSeconds: 5 },
      { allowedMethods: ['GET', 'PUT'], allowedOrigins: ['*'], exposeHeaders: ['ETag', 'x-amz-id-2'] },
    ]
    expect(ask(rules, 'https://a', 'PUT')).toMatchObject({
      'access-control-allow-methods': 'PUT, POST',
      'access-control-max-age': '5',
    })
    expect(ask(rules, 'https://a', 'GET')).toMatchObject({ 'access-control-expose-headers': 'ETag, x-amz-id-2' })
    expect(ask(rules, 'https://a', 'DELETE')).toBeUndefined()
    expect(ask(rules, 'https://a', 'get')).toBeUndefined()
  })

  it('allows the headers asked for, whatever their case, or does not fit', () => {
    const rules = [{ ...rule, allowedHeaders: ['X-Amz-*', 'content-type'] }]
    expect(ask(rules, 'o', 'GET', 'x-amz-date, Content-Type,,')).toMatchObject({
      'access-control-allow-headers': 'x-amz-date, content-type',
    })
    expect(ask(rules, 'o', 'GET', 'x-amz-date, authorization')).toBeUndefined()
    expect(ask([rule], 'o', 'GET', 'x-any')).toBeUndefined()
  })

  it('says what the answer depends on', () => {
    expect(ask([rule], 'o')?.vary).toBe('Origin, Access-Control-Request-Headers, Access-Control-Request-Method')
  })
})
