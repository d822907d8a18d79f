import { X509Certificate } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { createServer, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type CertificateFiles, daysLeft, ensureCertificate, namesOfThisMachine } from './certificate.ts'

let directory: string
let files: CertificateFiles
const now = new Date()

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'causeway-certificate-'))
  files = {
    authority: join(directory, 'ca.pem'),
    certificate: join(directory, 'certificate.pem'),
    key: join(directory, 'certificate.key'),
  }
})
afterEach(() => rm(directory, { recursive: true }))

test('a client that trusts the authority reaches the server by every name of this machine', async () => {
  await ensureCertificate(files, namesOfThisMachine('s3.example.com'), now)
  const server = createServer(
    { cert: await readFile(files.certificate), key: await readFile(files.key) },
    (_, response) => response.end('served'),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const ca = await readFile(files.authority)
  const status = (servername: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      const options = { host: '127.0.0.1', port, ca, agent: false as const }
      const checked = servername === '127.0.0.1' ? {} : { servername }
      request({ ...options, ...checked }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
        .on('error', reject)
        .end()
    })
  try {
    for (const name of ['127.0.0.1', 'localhost', 's3.example.com', 'photos.s3.example.com']) {
      expect(await status(name), name).toBe(200)
    }
    await expect(status('elsewhere.example.org')).rejects.toThrow(/altname/i)
  } finally {
    await new Promise((resolve) => server.close(resolve))
  }
})

test('the certificate is no authority, the authority signs nothing again, and nobody else reads the key', async () => {
  await ensureCertificate(files, ['localhost'], now)
  const certificate = new X509Certificate(await readFile(files.certificate))
  const authority = new X509Certificate(await readFile(files.authority))
  expect([certificate.ca, authority.ca]).toEqual([false, true])
  expect(certificate.verify(authority.publicKey)).toBe(true)
  expect((await stat(files.key)).mode & 0o777).toBe(0o600)
  expect((await readdir(directory)).sort()).toEqual(['ca.pem', 'certificate.key', 'certificate.pem'])
})

test('a certificate is kept while it is good, and made anew near its end or for another name', async () => {
  const names = namesOfThisMachine(undefined)
  expect(await ensureCertificate(files, names, now)).toBe(true)
  const first = await readFile(files.certificate, 'utf8')
  expect(await ensureCertificate(files, names, now)).toBe(false)
  expect(await readFile(files.certificate, 'utf8')).toBe(first)
  expect(daysLeft(first, now)).toBeGreaterThan(820)

  const nearTheEnd = new Date(now.getTime() + 800 * 24 * 60 * 60 * 1000)
  expect(await ensureCertificate(files, names, nearTheEnd)).toBe(true)
  expect(await ensureCertificate(files, [...names, 'other.example.com'], now)).toBe(true)
  expect(await readFile(files.certificate, 'utf8')).not.toBe(first)
})
