/** `serve` with a master key that is not the tree's: one sentence, exit code 1, and nothing is made, sealed or signed anew. */
import { randomBytes } from 'node:crypto'
import { chmod, copyFile, cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { rekeyMasterKey } from '#auth'
import { ensureDirectories } from './first-run.ts'
import { ensureUser } from './keys.ts'
import { openOperator } from './operator.ts'
import { type Place, readPlace } from './place.ts'

const program = fileURLToPath(new URL('causeway.ts', import.meta.url))
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 })

let home: string
let place: Place
const keyFile = () => place.config.identity.masterKeyFile
const inHome = (name: string) => join(home, name)

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'causeway-refused-'))
  place = readPlace({ data: home })
  await ensureDirectories(place)
  const operator = await openOperator(place)
  const { id } = await ensureUser(operator, 'alice')
  await operator.directory.keys.createKey(id)
  await operator.close()
  await copyFile(keyFile(), inHome('before.key'))
  await rekeyMasterKey({ masterKeyFile: keyFile(), keysDirectory: operator.keysDirectory })
  await copyFile(keyFile(), inHome('right.key'))
  await cp(join(home, 'tree'), inHome('was'), { recursive: true })
})
afterAll(() => rm(home, { recursive: true }))
beforeEach(() => copyFile(inHome('right.key'), keyFile()))

async function contentsOf(directory: string): Promise<Readonly<Record<string, string>>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
  const texts = await Promise.all(files.map((file) => readFile(file, 'latin1')))
  return Object.fromEntries(files.map((file, index) => [file.slice(directory.length), texts[index] ?? '']))
}

const another = () => writeFile(keyFile(), `${randomBytes(32).toString('base64')}\n`)

test.each([
  [
    'is missing',
    () => rm(keyFile()),
    /^causeway: The master key \S+ is missing, and \S+ was written with one; restore the file from its backup\.$/,
  ],
  [
    'is another one',
    another,
    /^causeway: The tree was written under another master key; restore that key file, [^\n]*\.$/,
  ],
  [
    'is from before the last rekey',
    () => copyFile(inHome('before.key'), keyFile()),
    /^causeway: The access keys are sealed with the master key [0-9a-f]{8}, [^\n]*copy the file [^\n]*\.$/,
  ],
  [
    'lacks the line of the records',
    async () => {
      const [first = ''] = (await readFile(inHome('right.key'), 'utf8')).split('\n')
      await writeFile(keyFile(), `${first}\n`)
    },
    /^causeway: The tree was written under another master key; restore that key file, [^\n]*\.$/,
  ],
  ['is damaged', () => writeFile(keyFile(), 'rubbish\n'), /^causeway: The master key \S+ is damaged: [^\n]*\.$/],
  [
    'can be read by others',
    () => chmod(keyFile(), 0o644),
    /^causeway: The master key \S+ can be read or changed by others\. [^\n]*$/,
  ],
] as const)('a start is refused when the master key %s, and nothing changes', async (_, change, sentence) => {
  await change()
  const [key, tree] = [await readFile(keyFile(), 'utf8').catch(() => undefined), await contentsOf(inHome('was'))]
  const options = { reject: false, stdin: 'ignore', timeout: 60_000 } as const
  const { stderr, exitCode } = await execa(process.execPath, [program, 'serve', '--data', home], options)
  expect(stderr).toMatch(sentence)
  expect(exitCode).toBe(1)
  expect(await readFile(keyFile(), 'utf8').catch(() => undefined)).toBe(key)
  expect(await contentsOf(join(home, 'tree'))).toEqual(tree)
  await chmod(keyFile(), 0o600).catch(() => {})
})
