import { BlockList } from 'node:net'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { isInRange, parseIpRange } from './ip-range.ts'

/** A net and an address that is often inside, because it differs in one bit only. */
const near = <T>(address: fc.Arbitrary<T>) => fc.tuple(address, address)

it('an IPv4 range holds what node:net says it holds', () => {
  fc.assert(
    fc.property(near(fc.ipV4()), fc.nat(32), ([net, other], prefix) => {
      const list = new BlockList()
      list.addSubnet(net, prefix, 'ipv4')
      const range = parseIpRange(`${net}/${prefix}`)
      expect(range && isInRange(range, other)).toBe(list.check(other, 'ipv4'))
      expect(range && isInRange(range, net)).toBe(true)
    }),
    { numRuns: 500 },
  )
})

it('an IPv6 range holds what node:net says it holds', () => {
  fc.assert(
    fc.property(near(fc.ipV6()), fc.nat(128), ([net, other], prefix) => {
      const list = new BlockList()
      list.addSubnet(net, prefix, 'ipv6')
      const range = parseIpRange(`${net}/${prefix}`)
      fc.pre(range?.bits === 128)
      expect(range && isInRange(range, net)).toBe(true)
      expect(range && isInRange(range, other)).toBe(list.check(other, 'ipv6'))
    }),
    { numRuns: 500 },
  )
})
