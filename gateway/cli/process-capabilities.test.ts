import { expect, test } from 'vitest'
import { capability, parseProcessCapabilities, readProcessCapabilities } from './process-capabilities.ts'

test('uid and the sets of a process are read from its status', () => {
  const status =
    'Name:\tnode\nUid:\t997\t998\t999\t1000\nGid:\t1\t2\t3\t4\nCapInh:\t0000000000000400\nCapPrm:\t00000000000004cc\nCapEff:\t0000000000000000\nCapBnd:\t000001ffffffffff\nCapAmb:\t0000010000000001\n'
  expect(parseProcessCapabilities(status)).toEqual({
    uid: 997,
    inheritable: new Set([capability.NET_BIND_SERVICE]),
    permitted: new Set([
      capability.DAC_READ_SEARCH,
      capability.FOWNER,
      capability.SETGID,
      capability.SETUID,
      capability.NET_BIND_SERVICE,
    ]),
    ambient: new Set([0, 40]),
  })
})

test('of this process and of one that is not there', () => {
  expect(readProcessCapabilities('self').uid).toBe(process.getuid?.())
  expect(readProcessCapabilities(process.pid)).toEqual(readProcessCapabilities('self'))
  expect(() => readProcessCapabilities(2 ** 30)).toThrow('ENOENT')
})
