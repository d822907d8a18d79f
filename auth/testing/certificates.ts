/** Certificate authorities and server certificates for tests, by the openssl command: EC keys on P-256, made in 30 ms. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'

export type Authority = {
  /** The directory of `ca.pem` and `ca.key`. */
  readonly directory: string
  readonly caFile: string
  /** PEM. */
  readonly ca: string
}

export type Certificate = { readonly certFile: string; readonly keyFile: string }

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
const DAYS = '3650'

/** Makes `ca.pem` and `ca.key` in a directory, which is made too. */
export async function makeAuthority(directory: string, name = 'lab CA'): Promise<Authority> {
  await mkdir(directory, { recursive: true })
  await execa('openssl', ['req', '-x509', ...NEW_KEY, '-days', DAYS, '-subj', `/CN=${name}`, ...keyAndFile('ca')], {
    cwd: directory,
  })
  return readAuthority(directory)
}

/** What `makeAuthority` made. */
export async function readAuthority(directory: string): Promise<Authority> {
  const caFile = join(directory, 'ca.pem')
  return { directory, caFile, ca: await readFile(caFile, 'utf8') }
}

/**
 * A server's certificate, `server.pem` and `server.key` (0600, as Samba demands) in `directory`.
 * @param names as openssl spells them: `DNS:dc1.lab.example.test`, `IP:127.0.0.1`
 * @param days a negative number is a certificate that has expired
 */
export async function issueCertificate(
  authority: Authority,
  {
    directory,
    names,
    days = DAYS,
  }: { readonly directory: string; readonly names: readonly string[]; readonly days?: string },
): Promise<Certificate> {
  await mkdir(directory, { recursive: true })
  const certFile = join(directory, 'server.pem')
  const keyFile = join(directory, 'server.key')
  const extensions = join(directory, 'server.ext')
  await writeFile(extensions, `subjectAltName=${names.join(',')}\n`)
  const request = await execa('openssl', ['req', ...NEW_KEY, '-subj', '/CN=lab server', '-keyout', keyFile], {
    cwd: directory,
  })
  await execa(
    'openssl',
    [
      ...['x509', '-req', '-CA', authority.caFile, '-CAkey', join(authority.directory, 'ca.key'), '-days', days],
      // Authorities are shared by processes: openssl's file of serial numbers would not be.
      ...['-set_serial', `0x${randomSerial()}`, '-extfile', extensions, '-out', certFile],
    ],
    { input: request.stdout },
  )
  return { certFile, keyFile }
}

const keyAndFile = (name: string): readonly string[] => ['-keyout', `${name}.key`, '-out', `${name}.pem`]

function randomSerial(): string {
  return crypto.randomUUID().replaceAll('-', '')
}
