import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { reach } from './reach.ts'

test.each([
  ['a directory', tmpdir()],
  ['what is not there', join(tmpdir(), 'causeway-absent')],
  ['a name that looks like an option', '-f'],
])('%s answers', async (_, path) => {
  await expect(reach(path, new AbortController().signal)).resolves.toBeUndefined()
})

test('what is aborted is not waited for', async () => {
  const abort = new AbortController()
  const reached = reach(tmpdir(), abort.signal)
  abort.abort()
  await expect(reached).resolves.toBeUndefined()
})
