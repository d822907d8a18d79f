import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { projectDirectory } from '../instance.ts'
import { breakages } from './breakages.ts'

test.each(breakages)('$name: what is broken stands in the source, once', async ({ edit: { file, find, replace } }) => {
  const source = await readFile(join(projectDirectory, file), 'utf8')
  expect(source.split(find).length - 1).toBe(1)
  expect(replace).not.toBe(find)
})
