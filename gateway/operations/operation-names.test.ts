/** Holds the table of operations against the SDK's own model, so that a new SDK version shows what is new. */

import * as sdk from '@aws-sdk/client-s3'
import { expect, it } from 'vitest'
import { createRouter } from '../router.ts'
import { parseS3Request } from '../s3-request.ts'
import { operations } from './index.ts'
import { besideTheApi } from './support-matrix.ts'

/** Ours beside the SDK's: STS, the preflight, and what is posted to a bucket or the root. */
const withoutCommand = besideTheApi

const commands = Object.keys(sdk)
  .filter((name) => /^[A-Z]\w*Command$/.test(name))
  .map((name) => name.slice(0, -'Command'.length))

it('every operation of the SDK is there, and no other', () => {
  const names = new Set(operations.map((operation) => operation.name).filter((name) => !withoutCommand.includes(name)))
  expect([...names].sort()).toEqual([...commands].sort())
  expect(commands).toHaveLength(112)
})

it('no operation is there twice', () => {
  const names = operations.map((operation) => `${operation.name} ${operation.match.on}`)
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
})

it('no two operations answer the same request', () => {
  const matches = operations.map(({ match }) =>
    JSON.stringify([match.method, match.on, [...(match.query ?? [])].sort(), [...(match.headers ?? [])].sort()]),
  )
  expect(matches.filter((match, index) => matches.indexOf(match) !== index)).toEqual([])
})

it.each(commands)('a request for %s, made by the SDK’s model, is routed to it', (name) => {
  const { method, path, query, headers } = modelOf(name)
  const target = `${pathOn(name, path)}${query.length === 0 ? '' : `?${query.join('&')}`}`
  const request = parseS3Request({ method, rawUrl: target, headers: headers.map((header) => [header, 'value']) })
  expect(route(request).name).toBe(name)
})

const route = createRouter(operations)

/**
 * A schema of the SDK is [kind, namespace, name, traits, input, output]; an input lists its members and their traits, the required ones
 * first: `{ "http": ["GET", "/{Key+}?attributes", 200] }`, `[["Bucket", "Id"], [[0, 1], [0, { "httpQuery": "id" }]], 2]`.
 */
function modelOf(name: string) {
  const [, , , traits, input] = listOf(Reflect.get(sdk, `${name}$`))
  const [method = '', uri = ''] = listOf(Reflect.get(Object(traits), 'http')).map(String)
  const [path = '', literal = ''] = uri.split('?')
  const [, , , , , members, requiredCount] = listOf(typeof input === 'function' ? input() : input)
  const required = listOf(members).slice(0, Number(requiredCount ?? 0))
  const traitsOf = (kind: string) =>
    required.flatMap((member) => Reflect.get(Object(listOf(member)[1] ?? {}), kind) ?? []).map(String)
  return {
    method,
    path,
    query: [...literal.split('&').filter((part) => part !== ''), ...traitsOf('httpQuery').map((each) => `${each}=1`)],
    headers: traitsOf('httpHeader'),
  }
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function pathOn(name: string, path: string): string {
  if (path.includes('{Key+}')) return '/bucket/key'
  if (path !== '/') return path
  return name === 'ListBuckets' || name === 'ListDirectoryBuckets' ? '/' : '/bucket'
}
