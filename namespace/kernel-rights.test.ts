import { expect, test } from 'vitest'
import { requireKernelRights } from './kernel-rights.ts'

const [dacOverride, readSearch, fowner, setgid, setuid] = [1 << 1, 1 << 2, 1 << 3, 1 << 6, 1 << 7] as const
const all = readSearch | fowner | setgid | setuid

test('an ordinary account with the four capabilities may serve its users', () => {
  expect(requireKernelRights([1000, all, 0])).toBeUndefined()
  expect(requireKernelRights([1000, all | (1 << 10), 0])).toBeUndefined()
})

test.each([
  [0, all, 'this process is root, which no file system refuses anything'],
  [1000, all | dacOverride, 'this process has CAP_DAC_OVERRIDE, which passes all permissions'],
  [1000, 0, 'this process lacks CAP_FOWNER, CAP_DAC_READ_SEARCH, CAP_SETGID, CAP_SETUID'],
  [1000, all & ~fowner, 'this process lacks CAP_FOWNER'],
] as const)('uid %i with capabilities %i is refused: %s', (uid, permitted, fault) => {
  expect(() => requireKernelRights([uid, permitted, 0])).toThrow(
    `identity.enforcement is "kernel", and ${fault}; run it as an ordinary account with the capabilities of scripts/systemd/causeway-kernel.conf.`,
  )
})
