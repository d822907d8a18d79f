import { X509Certificate } from 'node:crypto'
import { open, readFile } from 'node:fs/promises'
import { isErrno } from '../../keys/durable-file.ts'
import type { LdapCredentials } from './ldap-connection.ts'

export type CredentialFiles = {
  /** PEM: the authority that signs the controllers' certificates. */
  readonly authoritiesFile: string
  readonly bindDn: string
  /** One line, mode 0600. */
  readonly bindPasswordFile: string
}

/** Rejects with a sentence that names the file, never with a part of it. */
export async function readCredentials(files: CredentialFiles): Promise<LdapCredentials> {
  const { authoritiesFile, bindDn, bindPasswordFile } = files
  const [authorities, bindPassword] = await Promise.all([
    named(authoritiesFile, 'The authority of the directory', readAuthorities),
    named(bindPasswordFile, 'The password of the bind account', readPassword),
  ])
  return { authorities, bindDn, bindPassword }
}

async function readAuthorities(path: string): Promise<string> {
  const text = await readFile(path, 'utf8')
  try {
    new X509Certificate(text)
  } catch (cause) {
    throw new Error(`The authority of the directory, ${path}, is no certificate in PEM.`, { cause })
  }
  return text
}

async function readPassword(path: string): Promise<string> {
  const file = await open(path, 'r')
  try {
    const { mode } = await file.stat()
    if ((mode & 0o077) !== 0) {
      throw new Error(
        `The password of the bind account, ${path}, can be read or changed by others. Give it mode 0600: chmod 600 ${path}`,
      )
    }
    const password = (await file.readFile('utf8')).replace(/\r?\n$/, '')
    if (password === '') throw new Error(`The password of the bind account, ${path}, is empty.`)
    return password
  } finally {
    await file.close()
  }
}

async function named<Result>(path: string, what: string, read: (path: string) => Promise<Result>): Promise<Result> {
  try {
    return await read(path)
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') throw error
    const reason = isErrno(error, 'ENOENT') ? 'does not exist' : `cannot be read (${error.code})`
    throw new Error(`${what}, ${path}, ${reason}.`, { cause: error })
  }
}
