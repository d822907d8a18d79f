/** The suite that every implementation of Files passes. The parts say by topic what is promised. */
import { describe } from 'vitest'
import { bytesContract } from './contract-bytes.ts'
import { callsContract } from './contract-calls.ts'
import { confinementContract } from './contract-confinement.ts'
import { identityContract } from './contract-identity.ts'
import { lockContract } from './contract-locks.ts'
import { publishContract } from './contract-publish.ts'
import { rewritesContract } from './contract-rewrites.ts'
import { sendContract } from './contract-send.ts'
import type { OpenedFiles } from './contract-tree.ts'

/** `open` is asked for a new empty tree for each test. */
export function filesContract(name: string, open: () => Promise<OpenedFiles>): void {
  describe(`${name} keeps the contract of Files`, () => {
    callsContract(open)
    confinementContract(open)
    publishContract(open)
    bytesContract(open)
    rewritesContract(open)
    lockContract(open)
    sendContract(open)
    identityContract(open)
  })
}
