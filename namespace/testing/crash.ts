/** What the tests share that stop a verb in the middle: what it is given, and what is there afterwards. */
import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import { NamespaceError } from '../errors.ts'
import type { CompletePart, Namespace } from '../verbs.ts'
import { CrashError } from './faulty-files.ts'
import { bodyOf, get, plain } from './fixture.ts'

export const nothing = async (): Promise<void> => undefined
/** A record that no file system's attribute takes (64 KiB): it has a side-car. */
export const large = {
  ...plain,
  metadata: Object.fromEntries(Array.from({ length: 99 }, (_, i) => [`n${i}`, 'v'.repeat(999)])),
}
export const mebibyte = 2 ** 20

/** Of a test that stops a verb after each of its changes, on a tree made anew each time: on the mount of a slow guest that takes minutes. */
export const crashTimeoutMs = process.env.NAMESPACE_ROOT === undefined ? 120_000 : 900_000

export const remove = (namespace: Namespace, key: string) => namespace.objects.remove({ bucket: 'docs', key }, {})

export async function uploadParts(namespace: Namespace, key: string, contents: readonly string[]) {
  const target = { bucket: 'docs', key }
  const { uploadId } = await namespace.uploads.begin(target, plain, undefined)
  const parts: CompletePart[] = []
  for (const [index, content] of contents.entries()) {
    const part = await namespace.uploads.putPart({ ...target, uploadId }, index + 1, bodyOf(content, mebibyte))
    parts.push({ partNumber: part.partNumber, eTag: part.eTag, checksums: {} })
  }
  return { uploadId, parts }
}

/** `prepared` is what uploadParts answered. */
export const complete = (key: string) => (namespace: Namespace, prepared: unknown) => {
  const { uploadId, parts } = prepared as Awaited<ReturnType<typeof uploadParts>>
  return namespace.uploads.complete({ bucket: 'docs', key, uploadId }, parts, {})
}

/** undefined: there is no object. One that is there has the ETag of its bytes. */
export const contentOf = async (namespace: Namespace, key: string): Promise<string | undefined> => {
  try {
    const content = await get(namespace, 'docs', key)
    const { eTag, foreign } = await namespace.objects.stat({ bucket: 'docs', key })
    expect(foreign, `${key} has its record`).toBe(false)
    if (!eTag.includes('-')) expect(eTag).toBe(createHash('md5').update(content).digest('hex'))
    return content
  } catch (error) {
    if (error instanceof NamespaceError && error.code === 'NoSuchKey') return undefined
    throw error
  }
}

/** false: it ended before it could crash. Rejects with any other failure. */
export const crashes = (act: Promise<unknown>): Promise<boolean> =>
  act.then(
    () => false,
    (error: unknown) => {
      if (!(error instanceof CrashError)) throw error
      return true
    },
  )
