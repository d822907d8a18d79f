/** The commands on keys beside two workers that serve: nothing is refused meanwhile, and no secret is in anything that was written. */
import { mkdtemp, readdir, readFile, rm, truncate } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { sign } from 'aws4'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Pool, startPool } from '../pool.ts'
import { ensureDirectories } from './first-run.ts'
import { type Place, readPlace } from './place.ts'

const program = fileURLToPath(new URL('causeway.ts', import.meta.url))
// Each command is a process; on a busy machine a dozen of them take their time.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 })

let home: string
let place: Place
let pool: Pool
/** What the commands said, without the one answer in which each secret is shown. */
const said: string[] = []
const secrets: string[] = []

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'causeway-rekey-'))
  vi.stubEnv('CAUSEWAY_LOG_LEVEL', 'debug')
  place = readPlace({ data: home })
  await ensureDirectories(place)
})
afterAll(async () => {
  await pool?.close()
  vi.unstubAllEnvs()
  await rm(home, { recursive: true })
})

async function causeway(line: string) {
  const { stdout, stderr, exitCode } = await execa(process.execPath, [program, ...line.split(' '), '--data', home], {
    reject: false,
    stdin: 'ignore',
  })
  return { stdout, stderr, exitCode }
}

type Key = { readonly accessKeyId: string; readonly secretAccessKey: string }

async function newKey(line: string): Promise<Key> {
  const { stdout, stderr } = await causeway(line)
  const [, accessKeyId = '', secretAccessKey = ''] =
    /^AWS_ACCESS_KEY_ID=(\w+)\nAWS_SECRET_ACCESS_KEY=(\w+)$/.exec(stdout) ?? []
  expect(secretAccessKey, stderr).not.toBe('')
  secrets.push(secretAccessKey)
  return { accessKeyId, secretAccessKey }
}

const keep = async (line: string) => {
  const { stdout, stderr, exitCode } = await causeway(line)
  said.push(stdout, stderr)
  return { stdout, stderr, exitCode }
}

type Answer = { readonly status: number; readonly code: string | undefined; readonly eTag: string | undefined }

/** Signed, straight to a worker's socket. */
function ask(socketPath: string | undefined, method: string, path: string, key: Key, body = ''): Promise<Answer> {
  const { headers } = sign(
    { method, path, host: 'localhost', service: 's3', region: 'us-east-1', body, headers: {} },
    key,
  )
  return new Promise((resolve, reject) => {
    const options = { socketPath, method, path, headers: headers as Record<string, string>, agent: false } as const
    const outgoing = request(options, async (response) => {
      const chunks: Buffer[] = []
      for await (const chunk of response) chunks.push(chunk)
      const code = /<Code>(\w+)</.exec(Buffer.concat(chunks).toString())?.[1]
      resolve({ status: response.statusCode ?? 0, code, eTag: response.headers.etag })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

const masterKeyText = () => readFile(place.config.identity.masterKeyFile, 'utf8')

test('keys are rotated and the master key gets a new line while two workers serve, and no request is refused', async () => {
  const old = await newKey('keys create alice')
  await keep('buckets create photos --owner alice')
  pool = await startPool({ ...place.config, pool: { ...place.config.pool, workers: 2 } })
  const [one, two] = pool.sockets
  const put = await ask(one, 'PUT', '/photos/before', old, 'one')
  expect(put.status).toBe(200)

  let going = true
  const refused: Answer[] = []
  let served = 0
  const clients = [one, two].map(async (socket) => {
    for (; going; served++) {
      const answer = await ask(socket, 'HEAD', '/photos/before', old)
      if (answer.status !== 200 || answer.eTag !== put.eTag) refused.push(answer)
      await sleep(20)
    }
  })
  const before = await masterKeyText()
  const made = await newKey(`keys rotate ${old.accessKeyId}`)
  const rekeyed = await keep('keys rekey')
  await sleep(1500)
  going = false
  await Promise.all(clients)
  expect(refused).toEqual([])
  expect(served).toBeGreaterThan(20)

  expect(rekeyed).toMatchObject({ exitCode: 0, stderr: '' })
  expect(rekeyed.stdout).toContain('has a new first line; 2 access keys sealed again with it.')
  expect(rekeyed.stdout).toMatch(/\n[0-9a-f]{8} +current +all that is sealed from now on; 2 access keys\n/)
  expect(rekeyed.stdout).toMatch(
    /\n[0-9a-f]{8} +former since \S+ +the records of the tree's objects, for as long as the tree; tokens, until \S+$/,
  )
  const [current, former] = (await masterKeyText()).split('\n')
  expect(current).not.toContain(before.trim())
  expect(former).toContain(before.trim())

  // Workers that start with the new file, too; and a key that was made after it.
  await pool.reload()
  const later = await newKey('keys create alice')
  for (const [socket, key] of [
    [one, old],
    [two, made],
    [one, later],
  ] as const) {
    expect(await ask(socket, 'HEAD', '/photos/before', key)).toEqual({ status: 200, code: undefined, eTag: put.eTag })
  }
  expect((await ask(two, 'PUT', '/photos/after', later, 'two')).status).toBe(200)
})

test('a damaged record refuses its key; the others are served, and the log says which file it is', async () => {
  const [good, bad] = [await newKey('keys create alice'), await newKey('keys create alice')]
  const path = join(home, 'tree/.causeway/keys', `${bad.accessKeyId}.json`)
  await truncate(path, 100)
  const [socket] = pool.sockets
  expect(await ask(socket, 'GET', '/', bad)).toMatchObject({ status: 403, code: 'InvalidAccessKeyId' })
  expect(await ask(socket, 'GET', '/', good)).toMatchObject({ status: 200 })
  expect(await readFile(place.config.log.file ?? '', 'utf8')).toContain(path)
})

test('the list says when a key was used; a worker that leaves writes it down and takes its name from the readers', async () => {
  await pool.close()
  const { stdout } = await keep('keys list')
  expect(stdout).toMatch(/enabled .*T\S+ \(\+10 min\)/)
  expect(await readdir(join(home, 'tree/.causeway/keys/.readers'))).toEqual([])
})

test('no secret and no line of the master key is in a log, in what the commands said or in the tree', async () => {
  await keep('keys rekey --status')
  await keep('keys rekey --retire')
  await keep('keys rotate CWNOBODY')
  const lines = (await masterKeyText()).split('\n').map((line) => line.replace(/#.*/, '').trim())
  const forbidden = [...secrets, ...lines.filter((line) => line !== '')]
  expect(forbidden.length).toBeGreaterThan(6)
  const names = await readdir(home, { recursive: true, withFileTypes: true })
  const files = names
    .filter((entry) => entry.isFile() && entry.name !== 'master.key')
    .map((entry) => join(entry.parentPath, entry.name))
  expect(files).toContain(place.config.log.file)
  const written = await Promise.all(files.map(async (path) => [path, await readFile(path, 'latin1')] as const))
  for (const [where, text] of [...written, ['the commands', said.join('\n')] as const]) {
    expect(
      forbidden.filter((secret) => text.includes(secret)),
      where,
    ).toEqual([])
  }
  expect(said.join('').length).toBeGreaterThan(500)
})
