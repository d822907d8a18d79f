/** What the parts of the contract share: one tree per test, and a few words. */
import { test } from 'vitest'
import type { Descriptor, FileCalls, Files } from '../files.ts'

/** One empty tree: `directory` is its absolute path, where a test plants what Files itself would never make. */
export type OpenedFiles = { readonly files: Files; readonly directory: string; close(): Promise<void> }

export type Tree = OpenedFiles & { readonly calls: FileCalls }

/** A test on a new empty tree, as the service; closed whatever happens. */
export function testOnTree(open: () => Promise<OpenedFiles>) {
  return (sentence: string, body: (tree: Tree, skip: (why: string) => never) => Promise<void>) =>
    test(sentence, async (context) => {
      const opened = await open()
      try {
        await body({ ...opened, calls: opened.files.as(undefined) }, (why) => context.skip(why))
      } finally {
        await opened.close()
      }
    })
}

/** Nothing asked but the stat. */
export const statOnly = { attribute: 'user.causeway', bodyBytesMax: -1, keepOpen: false }

/** A new file with these bytes, open. */
export async function created(calls: FileCalls, path: string, bytes: Uint8Array | string = ''): Promise<Descriptor> {
  const descriptor = await calls.create(path, 0o644, true)
  await calls.write(descriptor, Buffer.from(bytes), 0)
  return descriptor
}

/** A new file with these bytes, closed. */
export async function written(calls: FileCalls, path: string, bytes: Uint8Array | string = ''): Promise<void> {
  await calls.close(await created(calls, path, bytes))
}

/** The whole content of a small file; undefined when there is none. */
export async function contentOf(calls: FileCalls, path: string): Promise<string | undefined> {
  const found = await calls.find(path, { attribute: '', bodyBytesMax: 1 << 20, keepOpen: false })
  return found?.body?.toString()
}
