/**
 * npm 11 refuses a lock file that leaves out optional packages of other platforms, which npm 10 takes. npm writes no line for a package that
 * the registry at hand does not carry, so a lock file made against a partial mirror is incomplete. Such lines can be written by hand: version
 * as the parent pins it, `os`, `cpu`, `libc` by its name, no `integrity`, since nothing of it is installed on the platforms served here.
 */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

type Locked = {
  readonly integrity?: string
  readonly os?: string | readonly string[]
  readonly cpu?: string | readonly string[]
  readonly libc?: string | readonly string[]
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const packages: Readonly<Record<string, Locked>> = JSON.parse(
  readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8'),
).packages

/** As Node looks for it: beside the parent's own packages first, then further up. */
function isLocked(name: string, parent: string): boolean {
  if (packages[`${parent === '' ? '' : `${parent}/`}node_modules/${name}`] !== undefined) return true
  if (parent === '') return false
  const above = parent.slice(0, Math.max(0, parent.lastIndexOf('/node_modules/')))
  return isLocked(name, above)
}

test('package-lock.json has every optional package of every platform, so that npm 10 and npm 11 both take it', () => {
  const missing = Object.entries(packages).flatMap(([parent, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter((name) => !isLocked(name, parent)),
  )
  expect(missing).toEqual([])
})

test('whatever is installed on the platforms served here has its integrity', () => {
  const suits = (allowed: string | readonly string[] | undefined, here: readonly string[]) =>
    allowed === undefined || [allowed].flat().some((one) => here.includes(one))
  const installed = Object.entries(packages).filter(
    ([path, { os, cpu, libc }]) =>
      path !== '' && suits(os, ['linux']) && suits(cpu, ['x64', 'arm64']) && suits(libc, ['glibc']),
  )
  expect(installed.length).toBeGreaterThan(100)
  expect(installed.filter(([, { integrity }]) => integrity === undefined).map(([path]) => path)).toEqual([])
})
