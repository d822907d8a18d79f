import fc from 'fast-check'
import { expect, it } from 'vitest'
import { guidText } from '../../testing/object-ids.ts'
import { canonicalIdOf, isObjectGuid, objectGuidOf, objectGuidText } from './object-guid.ts'

const bytesOfGuid = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes))

it('the text of an objectGUID is the one that Windows writes', () => {
  const bytes = Buffer.from('33221100554477668899aabbccddeeff', 'hex')
  expect(objectGuidText(bytes)).toBe('00112233-4455-6677-8899-aabbccddeeff')
  fc.assert(fc.property(bytesOfGuid, (guid) => objectGuidText(guid) === guidText(guid)))
})

it('a canonical id is 64 hex digits and tells its user without a table', () => {
  fc.assert(
    fc.property(bytesOfGuid.map(objectGuidText), (guid) => {
      expect(canonicalIdOf(guid)).toMatch(/^[0-9a-f]{64}$/)
      expect(objectGuidOf(canonicalIdOf(guid))).toBe(guid)
    }),
  )
})

it('a canonical id that somebody has made up is nobody’s', () => {
  const guid = '00112233-4455-6677-8899-aabbccddeeff'
  const id = canonicalIdOf(guid)
  const flipped = Array.from(
    { length: 64 },
    (_, at) => `${id.slice(0, at)}${id[at] === '0' ? '1' : '0'}${id.slice(at + 1)}`,
  )
  for (const other of [...flipped, id.toUpperCase(), id.slice(1), `${id}0`, '', guid, 'f'.repeat(64)])
    expect(objectGuidOf(other)).toBeUndefined()
})

it('nothing but a GUID is one: it becomes a part of a base DN', () => {
  expect(isObjectGuid('00112233-4455-6677-8899-aabbccddeeff')).toBe(true)
  for (const text of [
    'alice',
    '',
    '*',
    '00112233-4455-6677-8899-aabbccddeeff>',
    '00112233-4455-6677-8899-aabbccddeeff\n',
  ])
    expect(isObjectGuid(text)).toBe(false)
})
