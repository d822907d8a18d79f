import fc from 'fast-check'
import { expect, it } from 'vitest'
import { decodeOnce } from './percent.ts'

it.each([
  ['AKIA%2F20130524%2fus-east-1', 'AKIA/20130524/us-east-1'],
  ['a+b%20c', 'a+b c'],
  ['%C3%A9', 'é'],
  ['%c3%a9 and 100%', 'é and 100%'],
  ['%zz%4', '%zz%4'],
  ['%ff%41', '\ufffdA'],
  ['\u00c3\u00a9%41', 'éA'],
])('%s says %s', (text, decoded) => {
  expect(decodeOnce(text)).toBe(decoded)
})

it('gives back any text whose bytes were encoded, all of them or as a URL needs it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const all = Buffer.from(text).toString('hex').replace(/../g, '%$&')
      expect(decodeOnce(all)).toBe(text)
      expect(decodeOnce(encodeURIComponent(text))).toBe(text)
    }),
  )
})
