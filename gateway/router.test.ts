import { describe, expect, test } from 'vitest'
import { defineOperation, type Match, type Operation } from './operation.ts'
import { createRouter } from './router.ts'
import { parseS3Request } from './s3-request.ts'

const operation = (name: string, match: Match): Operation =>
  defineOperation({ name, match, action: undefined, run: async () => ({ status: 200 }) })

const route = createRouter([
  operation('ListBuckets', { method: 'GET', on: 'service' }),
  operation('CreateBucket', { method: 'PUT', on: 'bucket' }),
  operation('ListObjects', { method: 'GET', on: 'bucket' }),
  operation('ListObjectsV2', { method: 'GET', on: 'bucket', query: ['list-type=2'] }),
  operation('ListMultipartUploads', { method: 'GET', on: 'bucket', query: ['uploads'] }),
  operation('GetBucketLocation', { method: 'GET', on: 'bucket', query: ['location'] }),
  operation('DeleteObjects', { method: 'POST', on: 'bucket', query: ['delete'] }),
  operation('GetMetrics', { method: 'GET', on: 'bucket', query: ['metrics', 'id'] }),
  operation('ListMetrics', { method: 'GET', on: 'bucket', query: ['metrics'] }),
  operation('PutObject', { method: 'PUT', on: 'object' }),
  operation('CopyObject', { method: 'PUT', on: 'object', headers: ['x-amz-copy-source'] }),
  operation('UploadPart', { method: 'PUT', on: 'object', query: ['partNumber', 'uploadId'] }),
  operation('UploadPartCopy', {
    method: 'PUT',
    on: 'object',
    query: ['partNumber', 'uploadId'],
    headers: ['x-amz-copy-source'],
  }),
  operation('GetObject', { method: 'GET', on: 'object' }),
  operation('HeadObject', { method: 'HEAD', on: 'object' }),
  operation('DeleteObject', { method: 'DELETE', on: 'object' }),
  operation('ListParts', { method: 'GET', on: 'object', query: ['uploadId'] }),
  operation('GetObjectTagging', { method: 'GET', on: 'object', query: ['tagging'] }),
])

const named = (method: string, rawUrl: string, headers: Record<string, string> = {}) =>
  route(parseS3Request({ method, rawUrl, headers: Object.entries(headers) })).name

describe('the most specific operation that fits', () => {
  test.each([
    ['GET', '/', 'ListBuckets'],
    ['GET', '/?x-id=ListBuckets', 'ListBuckets'], // P-024
    ['PUT', '/b/', 'CreateBucket'], // P-025
    ['GET', '/b', 'ListObjects'],
    ['GET', '/b?list-type=1&prefix=a', 'ListObjects'],
    ['GET', '/b?list-type=2&delimiter=/', 'ListObjectsV2'],
    ['GET', '/b?uploads', 'ListMultipartUploads'],
    ['GET', '/b?uploads=', 'ListMultipartUploads'], // P-023
    ['GET', '/b/?location', 'GetBucketLocation'],
    ['POST', '/b/?delete=', 'DeleteObjects'],
    ['GET', '/b?metrics&id=1', 'GetMetrics'],
    ['GET', '/b?metrics&x-id=List', 'ListMetrics'],
    ['PUT', '/b/k?x-id=PutObject', 'PutObject'],
    ['PUT', '/b/k?uploadId=u&partNumber=1', 'UploadPart'],
    ['GET', '/b/k?partNumber=2&versionId=v&response-expires=1', 'GetObject'],
    ['GET', '/b/k?X-Amz-Signature=s&X-Amz-Date=d', 'GetObject'],
    ['GET', '/b/k?uploadId=u&max-parts=3', 'ListParts'],
    ['HEAD', '/b/k', 'HeadObject'],
  ])('%s %s is %s', (method, rawUrl, name) => {
    expect(named(method, rawUrl)).toBe(name)
  })

  test('a copy source makes a copy of either kind', () => {
    const source = { 'x-amz-copy-source': '/a/b' }
    expect(named('PUT', '/b/k', source)).toBe('CopyObject')
    expect(named('PUT', '/b/k?partNumber=1&uploadId=u', source)).toBe('UploadPartCopy')
  })
})

describe('P-023: an unknown sub-resource never falls through to the plain operation', () => {
  test.each([
    ['PUT', '/b/k?renameObject'],
    ['PUT', '/b/k?annotation=x'],
    ['PUT', '/b?abac'],
    ['PUT', '/b/k?acl'],
    ['PUT', '/b/k?acl='],
    ['DELETE', '/b/k?torrent'],
    ['GET', '/b?policy'],
    ['PUT', '/b/k?partNumber=3'],
  ])('%s %s', (method, rawUrl) => {
    expect(() => named(method, rawUrl)).toThrow(expect.objectContaining({ code: 'NotImplemented' }))
  })

  test('one sub-resource beside another one is not the first alone', () => {
    expect(() => named('GET', '/b?uploads&acl')).toThrow(expect.objectContaining({ code: 'NotImplemented' }))
  })
})

describe('P-022: 405 says what would have been allowed', () => {
  test.each([
    ['PATCH', '/b/k', 'OBJECT', 'DELETE, GET, HEAD, PUT'],
    ['POST', '/b/k', 'OBJECT', 'DELETE, GET, HEAD, PUT'],
    ['DELETE', '/b', 'BUCKET', 'GET, PUT'],
    ['PUT', '/', 'SERVICE', 'GET'],
    ['PUT', '/b/k?tagging', 'OBJECT', 'GET'],
    ['PUT', '/b/k?uploadId=u', 'OBJECT', 'GET'],
  ])('%s %s', (method, rawUrl, type, allow) => {
    const detail = { Method: method, ResourceType: type, Allow: allow }
    expect(() => named(method, rawUrl)).toThrow(expect.objectContaining({ code: 'MethodNotAllowed', detail }))
  })
})
