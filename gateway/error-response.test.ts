import { XMLValidator } from 'fast-xml-parser'
import { describe, expect, test } from 'vitest'
import { AuthError } from '#auth'
import { NamespaceError } from '#namespace'
import { errorReply } from './error-response.ts'
import { GatewayError } from './gateway-error.ts'
import { edgeErrors, s3Errors } from './s3-errors.ts'

const context = { requestId: 'REQ1', hostId: 'HOST1', resource: '/b/a%20b', method: 'GET' }
const reply = (error: unknown, method = 'GET') => errorReply(error, { ...context, method })

describe('an error that was foreseen', () => {
  test('P-017, P-201: is XML with its elements and the id of the header', () => {
    const { status, headers, body, code, unexpected } = reply(new NamespaceError('NoSuchKey', { Key: 'a b' }))
    expect({ status, code, unexpected }).toEqual({ status: 404, code: 'NoSuchKey', unexpected: false })
    expect(body).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>a b</Key><Resource>/b/a%20b</Resource><RequestId>REQ1</RequestId><HostId>HOST1</HostId></Error>',
    )
    expect(headers).toEqual({
      'content-type': 'application/xml',
      'content-length': Buffer.byteLength(body ?? ''),
      'x-amz-request-id': 'REQ1',
      'x-amz-id-2': 'HOST1',
    })
  })

  test('its own message replaces the sentence of the table; undefined elements vanish', () => {
    const { body } = reply(new AuthError('AccessDenied', { message: 'Request has expired', Expires: undefined }))
    expect(body).toContain('<Message>Request has expired</Message><Resource>')
  })

  test('P-022: what is a header stands in the headers only', () => {
    const { headers, body } = reply(
      new GatewayError('MethodNotAllowed', {
        Method: 'GET',
        ResourceType: 'DeleteMarker',
        Allow: 'DELETE',
        'x-amz-delete-marker': 'true',
      }),
    )
    expect(headers).toMatchObject({ allow: 'DELETE', 'x-amz-delete-marker': 'true' })
    expect(body).toContain('<Method>GET</Method><ResourceType>DeleteMarker</ResourceType><Resource>')
  })

  test('P-018: has no body for HEAD', () => {
    const { status, headers, body } = reply(new NamespaceError('NoSuchKey'), 'HEAD')
    expect([status, body, headers['content-length']]).toEqual([404, undefined, undefined])
  })

  test('P-019: 304 has no body and keeps its headers', () => {
    const { status, headers, body } = reply(new GatewayError('NotModified', { ETag: '"e"', 'Last-Modified': 'then' }))
    expect([status, body]).toEqual([304, undefined])
    expect(headers).toMatchObject({ etag: '"e"', 'last-modified': 'then' })
  })

  test('P-093: whatever stands in an element, the document can be parsed', () => {
    const { body = '' } = reply(new NamespaceError('NoSuchKey', { Key: '</Key>&\r\u0001\ud800"' }))
    expect(body).toContain('<Key>&lt;/Key&gt;&amp;&#xd;&#x1;&#xd800;&quot;</Key>')
    expect(XMLValidator.validate(body)).toBe(true)
  })
})

describe('an error of the edge', () => {
  test.each([
    ['FST_ERR_BAD_URL', 400, 'InvalidURI'],
    ['FST_ERR_CTP_BODY_TOO_LARGE', 400, 'EntityTooLarge'],
    ['FST_UNDER_PRESSURE', 503, 'SlowDown'],
    ['HPE_HEADER_OVERFLOW', 400, 'RequestHeaderSectionTooLarge'],
    ['ERR_HTTP_REQUEST_TIMEOUT', 400, 'RequestTimeout'],
    ['ECONNRESET', 400, 'IncompleteBody'],
  ])('%s is %i %s', (code, status, s3Code) => {
    expect(reply(Object.assign(new Error('x'), { code }))).toMatchObject({ status, code: s3Code, unexpected: false })
  })

  test('every row of the table leads to a row of the other', () => {
    for (const code of Object.values(edgeErrors)) expect(s3Errors).toHaveProperty(code)
  })
})

describe('an error that nobody foresaw', () => {
  test.each([new TypeError('x of undefined'), 'a string', undefined, null, 7, { code: 5 }, { code: 'EWHAT' }])(
    '%s is InternalError, to be logged, and tells nothing',
    (error) => {
      const { status, code, unexpected, body } = reply(error)
      expect({ status, code, unexpected }).toEqual({ status: 500, code: 'InternalError', unexpected: true })
      expect(body).toContain('<Message>We encountered an internal error. Please try again.</Message>')
    },
  )

  test('an InternalError of the namespace is logged, and its sentence stays here', () => {
    const error = new NamespaceError('InternalError', { message: 'EIO /mnt/secret', Path: '/mnt' })
    const { unexpected, body } = reply(error)
    expect(unexpected).toBe(true)
    expect(body).not.toContain('/mnt')
  })
})

test('full disks and quotas answer what no client retries', () => {
  expect(s3Errors.StorageFull.status).toBe(507)
  expect(s3Errors.QuotaExceeded.status).toBe(403)
})
