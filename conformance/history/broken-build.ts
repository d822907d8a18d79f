/** A copy of the source tree with one thing broken on purpose: what shows that a test would notice. No such code is in the product. */
import { cp, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { projectDirectory } from '../instance.ts'

export type Edit = {
  /** Relative to the project. */
  readonly file: string
  /** Stands there exactly once. */
  readonly find: string
  readonly replace: string
}

export type BrokenBuild = {
  /** What starts a gateway from it. */
  readonly program: readonly string[]
  remove(): Promise<void>
}

const PARTS = [
  'auth',
  'conformance',
  'gateway',
  'namespace',
  'nginx',
  'scripts',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
]

/** Throws when the edit does not fit the source exactly once: then the source has changed, and the edit must follow. */
export async function makeBrokenBuild(edit: Edit, source = projectDirectory): Promise<BrokenBuild> {
  const directory = await mkdtemp('/tmp/causeway-broken-')
  const remove = () => rm(directory, { recursive: true, force: true })
  try {
    await copySource(directory, source)
    await applyEdit(directory, edit)
    // Not scripts/start, which looks whether something is to be installed.
    return { program: [join(directory, 'scripts/causeway'), 'serve'], remove }
  } catch (error) {
    await remove()
    throw error
  }
}

/** What runs, with the dependencies of `source`. */
export async function copySource(directory: string, source = projectDirectory): Promise<void> {
  for (const part of PARTS) await cp(join(source, part), join(directory, part), { recursive: true })
  await symlink(await realpath(join(source, 'node_modules')), join(directory, 'node_modules'))
}

export async function applyEdit(directory: string, { file, find, replace }: Edit): Promise<void> {
  const path = join(directory, file)
  const pieces = (await readFile(path, 'utf8')).split(find)
  if (pieces.length !== 2) throw new Error(`${file} has this ${pieces.length - 1} times, not once: ${find}`)
  await writeFile(path, pieces.join(replace))
}
