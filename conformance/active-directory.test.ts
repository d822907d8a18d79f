/** People of a real domain and their keys: the commands as they are typed, requests through nginx and two workers. */
import { existsSync } from 'node:fs'
import { chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { Agent } from 'node:https'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { execa } from 'execa'
import { stringify } from 'smol-toml'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type DomainController, startDomainController } from '../auth/testing/domain-controller.ts'
import { type Seed, seedDomain } from '../auth/testing/seed-domain.ts'
import { projectDirectory } from './instance.ts'

vi.setConfig({ testTimeout: 120_000 })

let directory: string
let controller: DomainController
let seed: Seed
let gateway: ReturnType<typeof serve>
let endpoint: string
let alice: { readonly id: string; readonly secret: string }

const program = join(projectDirectory, 'scripts/causeway')
const place = () => ['--config', join(directory, 'causeway.toml')]

beforeAll(async () => {
  directory = await mkdtemp('/tmp/causeway-active-directory-')
  controller = await startDomainController({ directory })
  seed = await seedDomain(controller.administrator)
  await writeFile(join(directory, 'bind-password'), seed.svc.password, { mode: 0o600 })
  await writeFile(join(directory, 'causeway.toml'), configuration())
  gateway = serve()
  endpoint = await new Promise((resolve, reject) => {
    let said = ''
    gateway.stdout?.on('data', (piece) => {
      said += piece
      const [, url] = /^ready (\S+)$/m.exec(said) ?? []
      if (url !== undefined) resolve(url)
    })
    gateway.then(({ stderr }) => reject(new Error(stderr)))
  })
  alice = keyOf((await causeway('keys', 'create', 'LAB\\alice')).stdout)
  await causeway('buckets', 'create', 'hers', '--owner', 'alice@lab.example.test')
}, 200_000)

afterAll(async () => {
  gateway?.kill('SIGTERM')
  await gateway
  await controller?.stop()
  await rm(directory, { recursive: true, force: true })
})

function serve() {
  return execa(program, ['serve', ...place()], { reject: false, stdin: 'ignore' })
}

function configuration(): string {
  return stringify({
    namespace: { root: join(directory, 'tree') },
    state: { directory: join(directory, 'state') },
    listen: { https: `127.0.0.1:${20_000 + (process.pid % 10_000)}` },
    pool: { workers: 2 },
    log: { file: join(directory, 'gateway.log') },
    identity: {
      provider: 'active-directory',
      servers: [controller.url],
      ca_file: controller.caFile,
      base_dn: controller.base,
      bind_dn: seed.svc.dn,
      bind_password_file: join(directory, 'bind-password'),
      posix_ids: 'rfc2307',
    },
  })
}

async function causeway(...command: readonly string[]) {
  const { stdout, stderr, exitCode } = await execa(program, [...command, ...place()], {
    reject: false,
    stdin: 'ignore',
  })
  return { stdout, stderr, exitCode }
}

function keyOf(stdout: string) {
  const [, id = '', secret = ''] = /^AWS_ACCESS_KEY_ID=(\w+)\nAWS_SECRET_ACCESS_KEY=(\w+)$/.exec(stdout) ?? []
  expect(id).not.toBe('')
  return { id, secret }
}

/** Connections of its own, so that it meets both workers in the end. */
async function clientOf({ id, secret }: typeof alice) {
  return new S3Client({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: id, secretAccessKey: secret },
    forcePathStyle: true,
    maxAttempts: 1,
    requestHandler: {
      httpsAgent: new Agent({ ca: await readFile(join(directory, 'state/ca.pem')), keepAlive: false }),
    },
  })
}

const read = async (client: S3Client) => {
  const { Body } = await client.send(new GetObjectCommand({ Bucket: 'hers', Key: 'note' }))
  return Body?.transformToString()
}
const codeOf = (client: S3Client) =>
  read(client).then(
    () => 'OK',
    (error: Error) => error.name,
  )

test('a key is made for who is there, and no file of users', async () => {
  expect(await causeway('keys', 'create', 'nobody')).toEqual({
    stdout: '',
    stderr: 'causeway: The directory has no user nobody; check the spelling.',
    exitCode: 1,
  })
  expect((await causeway('keys', 'list')).stdout).toMatch(new RegExp(`\n${alice.id} +alice +enabled `))
  expect((await causeway('keys', 'list', '--user', 'ALICE@LAB')).stdout).toContain(alice.id)
  expect((await causeway('keys', 'list', '--user', 'bob')).stdout).not.toContain(alice.id)
  expect(existsSync(join(directory, 'state/users.toml'))).toBe(false)
  expect(existsSync(join(directory, 'client.env'))).toBe(false)
})

test('explain and the owner of a bucket know people by their names in the domain', async () => {
  const { stdout } = await causeway('explain', '--as', 'alice', 's3:GetObject', 'hers/note')
  expect(stdout).toContain(`user: alice (${seed.alice.sid}, `)
  expect(stdout).toContain('uid: 20001, gid 21000, supplementary gids 21001, 21002')
  expect(stdout).toContain('allowed: alice owns the bucket')
  expect((await causeway('explain', '--as', 'bob', 's3:GetObject', 'hers/note')).stdout).toContain('denied: ')
  expect((await causeway('buckets', 'list')).stdout).toMatch(/\nhers +alice /)
})

test('a request of hers is served, and who is disabled is out within 3 seconds on each worker', async () => {
  const client = await clientOf(alice)
  await client.send(new PutObjectCommand({ Bucket: 'hers', Key: 'note', Body: 'hello' }))
  for (let requests = 0; requests < 20; requests++) expect(await read(client)).toBe('hello')
  const timesMs: number[] = []
  for (let trial = 0; trial < 5; trial++) {
    await controller.administrator.disable('alice')
    const begunMs = performance.now()
    let lastMs = begunMs
    while (performance.now() - lastMs < 1000) {
      const code = await codeOf(client)
      if (code === 'OK') lastMs = performance.now()
      else expect(code).toBe('InvalidAccessKeyId')
    }
    timesMs.push(lastMs - begunMs)
    await controller.administrator.enable('alice')
    let served = 0
    await vi.waitFor(
      async () => {
        served = (await codeOf(client)) === 'OK' ? served + 1 : 0
        expect(served).toBeGreaterThan(20)
      },
      { timeout: 10_000, interval: 1 },
    )
  }
  console.info(
    `last request served after the account was disabled: ${timesMs.map((ms) => `${ms.toFixed(0)} ms`).join(', ')}`,
  )
  expect(Math.max(...timesMs)).toBeLessThan(3000)
  client.destroy()
})

const ownersIn = async (client: S3Client, Prefix: string) => {
  const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: 'theirs', Prefix, FetchOwner: true }))
  return Contents?.map(({ Owner }) => Owner?.DisplayName)
}

test('a tree is given to a group of the domain: its files are listed as their users’, and who leaves the group is out', async () => {
  const { administrator } = controller
  await administrator.addGroup('team', ['alice'])
  const tree = join(directory, 'tree/existing')
  await mkdir(tree)
  for (const [name, uid] of [
    ['of-frank', 20_006],
    ['of-nobody', 30_000],
    ['unasked', 20_003],
  ] as const) {
    await writeFile(join(tree, name), name)
    await chown(join(tree, name), uid, 21_000)
  }
  expect(await causeway('buckets', 'map', 'theirs', tree, '--owner', 'group:LAB\\team')).toMatchObject({ exitCode: 0 })
  expect((await causeway('buckets', 'list')).stdout).toMatch(/\ntheirs +group:team /)
  const client = await clientOf(alice)
  await vi.waitFor(async () => expect(await ownersIn(client, 'of-')).toEqual(['frank', 'uid-30000']), 5000)
  await administrator.removeMember('team', 'alice')
  await vi.waitFor(() => expect(ownersIn(client, 'of-')).rejects.toMatchObject({ name: 'AccessDenied' }), 3000)
  await administrator.addMember('team', 'alice')
  await vi.waitFor(() => ownersIn(client, 'of-'), 5000)
  client.destroy()
})

test('while no controller answers, she goes on and who is not known is told to come again; the log says so', async () => {
  const client = await clientOf(alice)
  const bob = await clientOf(keyOf((await causeway('keys', 'create', 'bob')).stdout))
  for (let requests = 0; requests < 20; requests++) expect(await codeOf(client)).toBe('OK')
  await controller.halt()
  await sleep(2500)
  for (let requests = 0; requests < 20; requests++) expect(await codeOf(client)).toBe('OK')
  // Whose a file is that nobody has asked about is not known then, and no reason to refuse a listing.
  expect(await ownersIn(client, 'unasked')).toEqual(['uid-20003'])
  const refused = await read(bob).catch((error: unknown) => error)
  expect(refused).toMatchObject({ name: 'ServiceUnavailable', $metadata: { httpStatusCode: 503 } })
  expect((await causeway('keys', 'list')).stdout).toContain(seed.alice.guid)
  expect(await causeway('keys', 'create', 'carol')).toMatchObject({
    stderr: expect.stringMatching(/ECONNREFUSED.*\ncauseway: The user directory does not answer\. Please try again\.$/),
    exitCode: 1,
  })
  await controller.restart()
  await vi.waitFor(async () => expect(await codeOf(bob)).toBe('AccessDenied'), 10_000)
  const log = await readFile(join(directory, 'gateway.log'), 'utf8')
  for (const line of ['no domain controller answers', 'the domain answers again', 'a user has lost access'])
    expect(log).toContain(line)
  for (const secret of [alice.secret, seed.svc.password]) expect(log).not.toContain(secret)
  for (const each of [client, bob]) each.destroy()
})
