/** What a look-up answers while a file user writes to the very file. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import type { Found } from '../files.ts'
import type { OpenedFiles } from './contract-tree.ts'
import { testOnTree, written } from './contract-tree.ts'

const rewriter = fileURLToPath(new URL('file-rewriter.ts', import.meta.url))
const words = 16 * 1024

export function rewritesContract(open: () => Promise<OpenedFiles>): void {
  const onTree = testOnTree(open)

  onTree('find never gives the bytes of a rewrite with the times of before it', async ({ calls, directory }) => {
    await written(calls, 'f', Buffer.alloc(4 * words))
    const user = await rewriting(join(directory, 'f'))
    try {
      let settled = 0
      for (let turn = 0; turn < 1000; turn += 1) {
        const found = await calls.find('f', { attribute: 'user.causeway', bodyBytesMax: 4 * words, keepOpen: false })
        const count = found && rewriteOf(found)
        if (count === undefined) continue
        settled += 1
        const others = new Uint32Array(new Uint8Array(found?.body ?? []).buffer).filter((word) => word !== count)
        expect(others, `with the mtime of rewrite ${count}`).toHaveLength(0)
      }
      expect(settled).toBeGreaterThan(0)
    } finally {
      user.kill('SIGKILL')
      await once(user, 'exit')
    }
  })
}

async function rewriting(path: string): Promise<ChildProcess> {
  const user = spawn(process.execPath, [rewriter, path, String(words)], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(user.stdout, 'data')
  return user
}

/** Which rewrite had ended when the file was looked at; undefined: none since the next one began, or there is no body. */
function rewriteOf({ stat, body }: Found): number | undefined {
  const seconds = Number(stat.mtimeNs / 1_000_000_000n)
  return body !== undefined && seconds > 0 && seconds < 1_000_000_000 ? seconds : undefined
}
