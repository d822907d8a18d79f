import { expect, it } from 'vitest'
import { authSysGroups } from './auth-sys-groups.ts'

const posix = (groups: readonly number[]) => ({ uid: 1, gid: 99, groups })
const upTo = (count: number) => Array.from({ length: count }, (_, index) => 100 + index)

it('an NFS client with sec=sys sends the 16 lowest supplementary gids, beside the primary one', () => {
  expect(authSysGroups(posix(upTo(16)))).toEqual({ sent: upTo(16), cut: [] })
  expect(authSysGroups(posix(upTo(18).reverse()))).toEqual({ sent: upTo(16), cut: [116, 117] })
  expect(authSysGroups(posix([]))).toEqual({ sent: [], cut: [] })
})
