import fc from 'fast-check'
import { expect, it } from 'vitest'
import { sidText } from '../../testing/object-ids.ts'
import { objectSidBytes, objectSidText } from './object-sid.ts'

const uint32 = fc.integer({ min: 0, max: 0xffff_ffff })

it('a SID is the same in bytes and in text', () => {
  const alice = 'S-1-5-21-321277845-873389989-806497059-1102'
  expect(objectSidBytes(alice).toString('hex')).toBe('010500000000000515000000954f2613a5df0e34232b12304e040000')
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 48 - 1 }), fc.array(uint32, { maxLength: 15 }), (authority, parts) => {
      const text = ['S', 1, authority, ...parts].join('-')
      expect(objectSidText(objectSidBytes(text))).toBe(text)
      expect(sidText(objectSidBytes(text))).toBe(text)
    }),
  )
})

it('what is no SID is refused', () => {
  for (const text of ['', 'S-1', 'S-2-5-21', 'S-1-5-x', 'S-1-5-21)(cn=*', '1-5-21', 'S-1-5-21-4294967296'])
    expect(() => objectSidBytes(text)).toThrow()
  for (const bytes of ['', '01', '0102000000000005150000', '02000000000000050000'])
    expect(() => objectSidText(Buffer.from(bytes, 'hex'))).toThrow()
})
