import { expect, test } from 'vitest'
import { loadConfig } from './config.ts'
import { mayBeLinked } from './may-be-linked.ts'

const of = (enforcement: 'service' | 'kernel', uids: number[]) =>
  mayBeLinked(
    loadConfig(
      undefined,
      {
        namespace: { linked_file_uids: uids },
        identity: { enforcement, posix_ids: enforcement === 'kernel' ? 'sid' : 'none' },
      },
      {},
    ),
  )

test('the service reads linked files of listed uids alone; with kernel the file system decides', () => {
  expect(of('service', [])(1000)).toBe(false)
  expect([0, 34, 35].map(of('service', [0, 34]))).toEqual([true, true, false])
  expect(of('kernel', [])(1000)).toBe(true)
})
