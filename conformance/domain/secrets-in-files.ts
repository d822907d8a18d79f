/** Which secrets stand in files: all of a gateway's but the master key itself, and logs wherever they are. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Instance } from '../instance.ts'

/** By what they are, so that a finding does not repeat them. */
export type Secrets = ReadonlyMap<string, string>

const MASTER_KEY = 'master.key'

/** `<name> in <file>` of each; empty where none does. */
export async function secretsInFiles(secrets: Secrets, directories: readonly string[]): Promise<readonly string[]> {
  const files = (await Promise.all(directories.map(filesOf))).flat()
  const searched = [...secrets].map(([name, secret]) => ({ name, spellings: spellingsOf(secret) }))
  const found = await Promise.all(
    files.map(async (path) => {
      const bytes = await readFile(path).catch(() => Buffer.alloc(0)) // gone meanwhile
      return searched
        .filter(({ spellings }) => spellings.some((spelling) => bytes.includes(spelling)))
        .map(({ name }) => `${name} in ${path}`)
    }),
  )
  return found.flat()
}

/** The secrets of the master key's file, without its comments. */
export async function readMasterKeyLines({ directory }: Pick<Instance, 'directory'>): Promise<readonly string[]> {
  const text = await readFile(join(directory, 'state', MASTER_KEY), 'utf8').catch(() => '') // beside another gateway
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
}

/** As it is, in a URL, in a form, in JSON, in base64 and in hex. */
function spellingsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret)
  return [
    secret,
    encodeURIComponent(secret),
    new URLSearchParams([['', secret]]).toString().slice(1),
    JSON.stringify(secret).slice(1, -1),
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('hex'),
  ]
}

async function filesOf(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && entry.name !== MASTER_KEY)
    .map(({ parentPath, name }) => join(parentPath, name))
}
