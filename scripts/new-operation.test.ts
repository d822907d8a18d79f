import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { fileNameOf, newOperation } from './new-operation.ts'

const index = readFileSync(new URL('../gateway/operations/index.ts', import.meta.url), 'utf8')

test('a new operation is one file, its test and two lines in the index, each at its place', () => {
  const { file, test: testFile, index: written } = newOperation('PutBucketFoo', index)
  expect(file).toContain("match: { method: 'PUT', on: 'bucket', query: ['foo'] }")
  expect(file).toContain('API_PutBucketFoo.html')
  expect(testFile).toContain('PutBucketFoo')

  const added = written.split('\n').filter((line) => !index.split('\n').includes(line))
  expect(added).toEqual(["import { putBucketFoo } from './put-bucket-foo.ts'", '  putBucketFoo,'])
  const listed = [...written.matchAll(/^ {2}(\w+),$/gm)].map((match) => match[1] ?? '')
  expect(listed).toEqual([...listed].sort())
})

test('an operation that is there is refused', () => {
  expect(() => newOperation('GetObject', index)).toThrow('GetObject is in operations/index.ts already.')
  expect(() => newOperation('PutBucketFoo', newOperation('PutBucketFoo', index).index)).toThrow('already')
})

test.each(['', 'putBucketFoo', 'Frobnicate', 'Put Bucket', '../Put'])('%j is no name of an operation', (name) => {
  expect(() => newOperation(name, index)).toThrow('is no operation')
})

test('an object operation is matched on objects, one of a bucket on buckets', () => {
  expect(newOperation('GetObjectTorrent', index).file).toContain("on: 'object', query: ['torrent']")
  expect(newOperation('DeleteBucketWebsite', index).file).toContain(
    "method: 'DELETE', on: 'bucket', query: ['website']",
  )
})

test('file names are the names in kebab-case', () => {
  expect(['ListObjectsV2', 'PutBucketCors', 'GetBucketABAC'].map(fileNameOf)).toEqual([
    'list-objects-v2',
    'put-bucket-cors',
    'get-bucket-abac',
  ])
})
