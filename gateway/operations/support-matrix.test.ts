import { readFileSync } from 'node:fs'
import * as sdk from '@aws-sdk/client-s3'
import { expect, it } from 'vitest'
import { operations } from './index.ts'
import { besideTheApi, differences, supportMatrix } from './support-matrix.ts'

const commands = Object.keys(sdk).flatMap((name) => /^([A-Z]\w*)Command$/.exec(name)?.[1] ?? [])
const named = [...supportMatrix().matchAll(/^\| (\w+) \| (?:implemented|fixed answer|501) \|/gm)].map(
  ([, name]) => name,
)

it('names every operation of the SDK once, and ours beside it', () => {
  expect(named).toEqual([...commands.sort(), ...besideTheApi])
})

it('SUPPORT.md is what `npm run support-matrix` writes', () => {
  expect(readFileSync(new URL('SUPPORT.md', import.meta.url), 'utf8')).toBe(supportMatrix())
})

it('speaks of differences of operations that are there', () => {
  const names = new Set(operations.map(({ name }) => name))
  expect(Object.keys(differences).filter((name) => !names.has(name))).toEqual([])
})
