/**
 * The two commands as a person types them: start, stop, and what can go wrong between. As an ordinary user, also where the tests run
 * as root. What is installed already stays; installing is tried on fresh machines.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { chown, cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findClientEnv } from '../gateway/cli/client-env.ts'

const scripts = fileURLToPath(new URL('.', import.meta.url))
/** Debian's account that owns nothing. */
const NOBODY = 65_534

/** Below /tmp whatever TMPDIR says: sockets have short names only. */
let work: string
let data: string
const started = new Set<string>()

beforeEach(async () => {
  work = await mkdtemp('/tmp/causeway-start-')
  data = join(work, 'data')
  if (process.getuid?.() === 0) await chown(work, NOBODY, NOBODY)
})

afterEach(async () => {
  for (const each of started) await run('stop', ['--data', each])
  started.clear()
  await rm(work, { recursive: true, force: true })
})

/** Exit code and output; never throws for a failure of the script. */
async function run(script: string, options: readonly string[]) {
  const asNobody =
    process.getuid?.() === 0 ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'] : []
  const [command = '', ...rest] = [...asNobody, join(scripts, script), ...options]
  return execa(command, rest, { reject: false, stdin: 'ignore', cwd: work, env: { HOME: work }, timeout: 90_000 })
}

async function start(directory: string, port: number) {
  started.add(directory)
  return run('start', ['--data', directory, '--port', String(port), '--detach'])
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** As any client after `set -a; . client.env`. */
async function clientOf(directory: string): Promise<S3Client> {
  const env = (await findClientEnv(join(directory, 'client.env'))) ?? {}
  const httpsAgent = new Agent({ ca: await readFile(env.AWS_CA_BUNDLE ?? '') })
  return new S3Client({
    endpoint: env.AWS_ENDPOINT_URL ?? '',
    region: env.AWS_REGION ?? '',
    credentials: { accessKeyId: env.AWS_ACCESS_KEY_ID ?? '', secretAccessKey: env.AWS_SECRET_ACCESS_KEY ?? '' },
    maxAttempts: 1,
    requestHandler: { httpsAgent },
  })
}

/** Of processes whose command line names the data directory, or that were started by one that does. */
function processesOf(directory: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const facts = pids.flatMap((pid) => {
    try {
      const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      return fields[0] === 'Z' ? [] : [{ pid: Number(pid), parent: Number(fields[1]), ours: line.includes(directory) }]
    } catch {
      return []
    }
  })
  const ours = new Set(facts.filter(({ ours }) => ours).map(({ pid }) => pid))
  for (let before = -1; before !== ours.size; ) {
    before = ours.size
    for (const { pid, parent } of facts) if (ours.has(parent)) ours.add(pid)
  }
  return [...ours]
}

async function until(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + 60_000
  while (!(await condition())) {
    if (Date.now() > deadline) expect.fail(`${what}: not within a minute`)
    await sleep(50)
  }
}

const listBuckets = async (directory: string) => {
  const client = await clientOf(directory)
  return (await client.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name)
}

test('one command serves, client.env is all a client needs, and stopping leaves nothing but the data', {
  timeout: 120_000,
}, async () => {
  const port = await freePort()
  const { stdout, stderr, exitCode } = await start(data, port)
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  expect(stdout).toContain(`\nready https://127.0.0.1:${port}`)
  expect(stdout).toContain('aws --endpoint-url')
  expect(stdout).toContain('boto3')
  expect(stdout).toContain('curl')
  expect((await stat(join(data, 'client.env'))).mode & 0o777).toBe(0o600)

  const client = await clientOf(data)
  await client.send(new CreateBucketCommand({ Bucket: 'photos' }))
  await client.send(new PutObjectCommand({ Bucket: 'photos', Key: 'a/b.txt', Body: 'bytes' }))
  const object = await client.send(new GetObjectCommand({ Bucket: 'photos', Key: 'a/b.txt' }))
  expect(await object.Body?.transformToString()).toBe('bytes')
  expect(await readFile(join(data, 'tree/photos/a/b.txt'), 'utf8')).toBe('bytes')
  await writeFile(join(data, 'tree/photos/a/c.txt'), 'by an editor')
  const listed = await client.send(new ListObjectsV2Command({ Bucket: 'photos' }))
  expect(listed.Contents?.map(({ Key }) => Key)).toEqual(['a/b.txt', 'a/c.txt'])

  expect(processesOf(data).length).toBeGreaterThan(3)
  expect((await run('stop', ['--data', data])).exitCode).toBe(0)
  expect(processesOf(data)).toEqual([])
  const left = await readdir(join(data, 'state'), { recursive: true })
  expect(left.filter((name) => /\.(sock|pid|url|conf)$/.test(name))).toEqual([])
  expect((await run('stop', ['--data', data])).exitCode).toBe(0)

  const again = await start(data, port)
  expect(again.stdout).toContain('ready')
  expect(await listBuckets(data)).toEqual(['photos'])
  const kept = await (await clientOf(data)).send(new GetObjectCommand({ Bucket: 'photos', Key: 'a/b.txt' }))
  expect(await kept.Body?.transformToString()).toBe('bytes')
})

test('several instances run side by side, each on a port and a directory of its own', {
  timeout: 120_000,
}, async () => {
  const other = join(work, 'other')
  const [port, otherPort] = [await freePort(), await freePort()]
  const [first, second] = await Promise.all([start(data, port), start(other, otherPort)])
  expect([first.exitCode, second.exitCode]).toEqual([0, 0])
  await (await clientOf(data)).send(new CreateBucketCommand({ Bucket: 'only-here' }))
  expect(await listBuckets(data)).toEqual(['only-here'])
  expect(await listBuckets(other)).toEqual([])
  await run('stop', ['--data', other])
  expect(await listBuckets(data)).toEqual(['only-here'])

  const samePort = await run('start', ['--data', other, '--port', String(port), '--detach'])
  expect(samePort.exitCode).toBe(1)
  expect(samePort.stderr).toBe(
    `causeway: Port ${port} is in use; stop what uses it, or choose another one with --port.`,
  )
  const sameDirectory = await run('start', ['--data', data, '--port', String(otherPort)])
  expect(sameDirectory.exitCode).toBe(1)
  expect(sameDirectory.stderr).toMatch(
    /^causeway: Causeway runs on \S+ already \(process \d+\); stop it first, [^\n]*$/,
  )
})

test('whatever stands in the way is one sentence and exit code 1', { timeout: 120_000 }, async () => {
  const broken = join(work, 'broken.toml')
  await writeFile(broken, '[listen]\nhtpps = "0.0.0.0:1"\n')
  const noRight = join(work, 'no-right')
  await writeFile(join(work, 'file'), '')
  await execa('mkdir', ['-m', '555', noRight])
  const cases: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['a broken configuration', ['--config', broken], /listen\.htpps is not a setting/],
    ['no configuration', ['--config', join(work, 'none.toml')], /none\.toml does not exist/],
    ['a port that is none', ['--data', data, '--port', '99999'], /--port is "99999"/],
    [
      'a directory without the right to write',
      ['--data', join(noRight, 'data')],
      /no-right\/data cannot be written|give it the right/,
    ],
    ['a file where a directory should be', ['--data', join(work, 'file/data')], /A file stands where/],
    ['an unknown option', ['--dta', data], /unknown option/],
  ]
  for (const [what, options, sentence] of cases) {
    const { exitCode, stderr, stdout } = await run('start', options)
    expect(exitCode, what).toBe(1)
    expect(stderr, what).toMatch(sentence)
    expect(stderr, what).not.toMatch(/\n\s+at /)
    expect(stdout, what).toBe('')
  }
})

test('a tree without its master key is not served, and none is made up for it', { timeout: 120_000 }, async () => {
  const port = await freePort()
  await start(data, port)
  await run('stop', ['--data', data])
  const key = join(data, 'state/master.key')
  await cp(key, join(work, 'kept.key'), { preserveTimestamps: true })
  await rm(key)
  const lost = await start(data, port)
  expect([lost.exitCode, lost.stdout]).toEqual([1, ''])
  expect(lost.stderr).toMatch(/^causeway: The master key \S+ is missing, and \S+ was written with one; restore [^\n]*$/)
  expect(await readdir(join(data, 'state'))).not.toContain('master.key')
})

test('a killed gateway takes its workers and nginx with it, and the next start goes on', {
  timeout: 120_000,
}, async () => {
  const port = await freePort()
  await start(data, port)
  await (await clientOf(data)).send(new CreateBucketCommand({ Bucket: 'kept' }))
  const [pid] = (await readFile(join(data, 'state/causeway.pid'), 'utf8')).split(' ')
  process.kill(Number(pid), 'SIGKILL')
  await until('all processes have ended', () => processesOf(data).length === 0)
  expect((await start(data, port)).exitCode).toBe(0)
  expect(await listBuckets(data)).toEqual(['kept'])
})

test('nginx that dies is started again', { timeout: 120_000 }, async () => {
  const port = await freePort()
  await start(data, port)
  const pid = Number(await readFile(join(data, 'state/nginx/nginx.pid'), 'utf8'))
  const workers = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number)
  for (const each of [pid, ...workers]) process.kill(each, 'SIGKILL')
  await until('nginx serves again', async () => (await listBuckets(data).catch(() => undefined)) !== undefined)
  expect(Number(await readFile(join(data, 'state/nginx/nginx.pid'), 'utf8'))).not.toBe(pid)
})

test('SIGHUP takes a new certificate and new workers while every request is answered', {
  timeout: 120_000,
}, async () => {
  await start(data, await freePort())
  const state = join(data, 'state')
  const { AWS_ENDPOINT_URL = '' } = (await findClientEnv(join(data, 'client.env'))) ?? {}
  const before = await fingerprintOf(AWS_ENDPOINT_URL)
  const workers = await childrenOf(state)

  const other = join(work, 'other')
  await start(other, await freePort())
  await run('stop', ['--data', other])
  for (const name of ['certificate.pem', 'certificate.key']) {
    // Written into the old file, which keeps its owner.
    await writeFile(join(state, name), await readFile(join(other, 'state', name)))
  }
  let reloaded = false
  let answered = 0
  const asking = (async () => {
    while (!reloaded) {
      await fingerprintOf(AWS_ENDPOINT_URL)
      answered++
    }
  })()
  const [pid] = (await readFile(join(state, 'causeway.pid'), 'utf8')).split(' ')
  process.kill(Number(pid), 'SIGHUP')
  const log = join(state, 'serve.log')
  await until('it says that it is done', async () => (await readFile(log, 'utf8')).includes('causeway: reloaded'))
  reloaded = true
  await asking
  expect(answered).toBeGreaterThan(5)
  expect(await fingerprintOf(AWS_ENDPOINT_URL)).not.toBe(before)
  await until(
    'the old workers have gone',
    async () => !(await childrenOf(state)).some((each) => workers.includes(each)),
  )
})

/** On a connection of its own; rejects when the request is not answered. */
function fingerprintOf(endpoint: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request(endpoint, { agent: false, rejectUnauthorized: false }, (response) => {
      const { socket } = response
      const fingerprint = socket instanceof TLSSocket ? socket.getPeerCertificate().fingerprint256 : ''
      if (response.statusCode !== 403) reject(new Error(`status ${response.statusCode}`))
      response.resume().on('end', () => resolve(fingerprint))
    })
    sent.on('error', reject)
    sent.end()
  })
}

/** Process ids of the workers. */
async function childrenOf(state: string): Promise<string[]> {
  const [pid] = (await readFile(join(state, 'causeway.pid'), 'utf8')).split(' ')
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ')
  return children.filter((child) => readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('--worker='))
}

test('the toolchain installs the Node that package.json asks for', () => {
  const read = (path: string) => JSON.parse(readFileSync(join(scripts, path), 'utf8'))
  expect(read('toolchain/package.json').optionalDependencies).toEqual(read('../package.json').optionalDependencies)
  for (const script of ['start', 'stop', 'test', 'causeway', '../.ci/run']) {
    expect(statSync(join(scripts, script)).mode & 0o111, script).toBe(0o111)
  }
})
