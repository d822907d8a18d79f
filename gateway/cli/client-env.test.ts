import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { findClientEnv, renderClientEnv, writeClientEnv } from './client-env.ts'

const directory = mkdtempSync(join(tmpdir(), 'causeway-client-env-'))
afterAll(() => rmSync(directory, { recursive: true }))

const client = {
  endpoint: 'https://127.0.0.1:8443',
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'abc+/=def',
  region: 'us-east-1',
  authority: "/srv/it's here/ca.pem",
}

test('what is written is what a shell reads after `set -a; . client.env`', async () => {
  const path = join(directory, 'client.env')
  await writeClientEnv(path, client)
  expect(statSync(path).mode & 0o777).toBe(0o600)
  const command = `set -a; . '${path}'; printf '%s|' "$AWS_ENDPOINT_URL" "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" "$AWS_REGION" "$AWS_CA_BUNDLE"`
  expect(execFileSync('sh', ['-c', command], { encoding: 'utf8' })).toBe(
    "https://127.0.0.1:8443|AKIDEXAMPLE|abc+/=def|us-east-1|/srv/it's here/ca.pem|",
  )
})

test('values that need no quoting have none, for readers that are no shell', () => {
  expect(renderClientEnv({ ...client, authority: '/srv/ca.pem' })).toContain('AWS_SECRET_ACCESS_KEY=abc+/=def\n')
})

test('a file is read back as it was written, whatever the directory is called', async () => {
  const path = join(directory, 'again.env')
  const names = fc.string({ unit: 'grapheme', minLength: 1 }).filter((name) => !/[\n\r\0]/.test(name))
  await fc.assert(
    fc.asyncProperty(names, async (authority) => {
      await writeClientEnv(path, { ...client, authority })
      expect(await findClientEnv(path)).toMatchObject({ AWS_CA_BUNDLE: authority, AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE' })
    }),
    { numRuns: 30 },
  )
})

test('no file is no error', async () => {
  expect(await findClientEnv(join(directory, 'none.env'))).toBeUndefined()
})
