/**
 * The certificate of a first run: a certificate authority that signs one server certificate, whose key is then thrown away. Clients
 * trust the authority (AWS_CA_BUNDLE). A single self-signed certificate would be simpler, but some TLS libraries refuse an authority
 * as a server certificate (rustls) and others a trust anchor that is none (OpenSSL's strict checks, as Python 3.13 asks for).
 */
import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { chmod, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { CommandError, isErrno } from './command-error.ts'
import { findProgram } from './find-program.ts'
import { withoutCapabilities } from './without-capabilities.ts'

const run = promisify(execFile)

/** What browsers and operating systems accept at most for a certificate of one's own. */
const VALID_DAYS = 825
const RENEW_BEFORE_DAYS = 30
const DAY_MS = 24 * 60 * 60 * 1000

export type CertificateFiles = { readonly authority: string; readonly certificate: string; readonly key: string }

/**
 * Makes the three files where there are none, or where the certificate ends within 30 days or does not name `names`; true when it did.
 * Throws CommandError without openssl.
 */
export async function ensureCertificate(
  files: CertificateFiles,
  names: readonly string[],
  now: Date,
): Promise<boolean> {
  if (await isGood(files, names, now)) return false
  const work = await mkdtemp(join(dirname(files.certificate), '.certificate-'))
  try {
    await make(work, names)
    await chmod(join(work, 'server.key'), 0o600)
    await rename(join(work, 'authority.pem'), files.authority)
    await rename(join(work, 'server.key'), files.key)
    await rename(join(work, 'chain.pem'), files.certificate)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return true
}

/** What a certificate of this machine should be good for; `domain` with its sub-domains. */
export function namesOfThisMachine(domain: string | undefined): string[] {
  const host = hostname().toLowerCase()
  const names = ['localhost', '*.localhost', '127.0.0.1', '::1']
  if (/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(host) && host.length <= 253) names.push(host)
  if (domain !== undefined) names.push(domain, `*.${domain}`)
  return [...new Set(names)]
}

/** Days until a PEM certificate ends, negative after that; undefined when it is not a certificate. */
export function daysLeft(pem: string | Buffer, now: Date): number | undefined {
  try {
    return (new X509Certificate(pem).validToDate.getTime() - now.getTime()) / DAY_MS
  } catch {
    return undefined
  }
}

async function isGood(files: CertificateFiles, names: readonly string[], now: Date): Promise<boolean> {
  try {
    const [certificate, authority, key] = await Promise.all(
      [files.certificate, files.authority, files.key].map((file) => readFile(file, 'utf8')),
    )
    if (certificate === undefined || authority === undefined || key === undefined) return false
    const left = daysLeft(certificate, now)
    if (left === undefined || left < RENEW_BEFORE_DAYS) return false
    const alternatives = (new X509Certificate(certificate).subjectAltName ?? '').split(', ')
    return names.every((name) => alternatives.includes(alternativeName(name).shown))
  } catch (error) {
    if (isErrno(error) && error.code === 'ENOENT') return false
    throw error
  }
}

function alternativeName(name: string): { readonly asked: string; readonly shown: string } {
  if (name === '::1') return { asked: 'IP:::1', shown: 'IP Address:0:0:0:0:0:0:0:1' }
  if (/^[\d.]+$/.test(name)) return { asked: `IP:${name}`, shown: `IP Address:${name}` }
  return { asked: `DNS:${name}`, shown: `DNS:${name}` }
}

async function make(work: string, names: readonly string[]): Promise<void> {
  await writeFile(
    join(work, 'openssl.cnf'),
    `[req]
distinguished_name = none
prompt = no
[none]
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = ${names.map((name) => alternativeName(name).asked).join(', ')}
`,
  )
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-config', 'openssl.cnf']
  const days = ['-days', String(VALID_DAYS)]
  await openssl(work, [
    ...['req', '-x509', ...newKey, ...days, '-extensions', 'authority', '-subj', '/CN=Causeway (made on this machine)'],
    ...['-keyout', 'authority.key', '-out', 'authority.pem'],
  ])
  await openssl(work, ['req', ...newKey, '-subj', '/CN=Causeway', '-keyout', 'server.key', '-out', 'server.csr'])
  await openssl(work, [
    ...['x509', '-req', '-in', 'server.csr', '-CA', 'authority.pem', '-CAkey', 'authority.key', '-CAcreateserial'],
    ...[...days, '-extfile', 'openssl.cnf', '-extensions', 'server', '-out', 'server.pem'],
  ])
  const chain = await Promise.all(['server.pem', 'authority.pem'].map((name) => readFile(join(work, name), 'utf8')))
  await writeFile(join(work, 'chain.pem'), chain.join(''))
}

async function openssl(work: string, options: readonly string[]): Promise<void> {
  const program = findProgram('openssl')
  if (program === undefined) {
    throw new CommandError('openssl is not installed and a first certificate is needed; install the package openssl.')
  }
  const [command = '', ...rest] = withoutCapabilities([program, ...options])
  try {
    await run(command, rest, { cwd: work })
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim().split('\n').at(-1) : error
    throw new CommandError(`openssl could not make a certificate (${said}); give one in tls.certificate and tls.key.`)
  }
}
