import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { makeAuthority } from '../../testing/certificates.ts'
import { type CredentialFiles, readCredentials } from './credentials.ts'

let folder = ''
let files: CredentialFiles

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'credentials-'))
  const { caFile } = await makeAuthority(folder)
  files = { authoritiesFile: caFile, bindDn: 'CN=svc', bindPasswordFile: join(folder, 'password') }
  await writeFile(files.bindPasswordFile, ' pass word \n', { mode: 0o600 })
})
afterEach(() => rm(folder, { recursive: true }))

it('the password is the line, without its end', async () => {
  expect(await readCredentials(files)).toMatchObject({ bindDn: 'CN=svc', bindPassword: ' pass word ' })
})

it('a password that others may read is refused', async () => {
  await chmod(files.bindPasswordFile, 0o640)
  await expect(readCredentials(files)).rejects.toThrow(`Give it mode 0600: chmod 600 ${files.bindPasswordFile}`)
})

it('what is missing or wrong is one sentence with the path, and without the password', async () => {
  const { authoritiesFile, bindPasswordFile } = files
  await expect(readCredentials({ ...files, bindPasswordFile: `${folder}/none` })).rejects.toThrow(
    `The password of the bind account, ${folder}/none, does not exist.`,
  )
  await expect(readCredentials({ ...files, bindPasswordFile: folder })).rejects.toThrow('cannot be read (EISDIR)')
  await expect(readCredentials({ ...files, authoritiesFile: bindPasswordFile })).rejects.toThrow(
    `The authority of the directory, ${bindPasswordFile}, is no certificate in PEM.`,
  )
  await writeFile(bindPasswordFile, '\n')
  await expect(readCredentials({ ...files, authoritiesFile })).rejects.toThrow('is empty.')
})
