/**
 * Enforcement `kernel`, the whole product: nginx and two workers of an ordinary account with the capabilities of the systemd drop-in, users of the local
 * file with uids, and file users beside them. Needs root, to start another account. NAMESPACE_ROOT names a mount for the tree.
 */
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { execa } from 'execa'
import { parse, stringify } from 'smol-toml'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { freePort, type Instance, projectDirectory, startInstance } from './instance.ts'

const service = 29_998
const staff = 43_000
const people = {
  alice: { uid: 43_001, gid: 43_001, supplementary_gids: [staff] },
  bob: { uid: 43_002, gid: 43_002, supplementary_gids: [staff] },
  nobody: {},
} as const
type Person = keyof typeof people

let gateway: Instance
let root: string | undefined
const clients = new Map<Person, S3Client>()

const on = (...path: readonly string[]): string => join(gateway.tree, ...path)

/** As an instance makes its own; undefined: it does. */
async function makeRoot(): Promise<string | undefined> {
  const mount = process.env.NAMESPACE_ROOT
  if (mount === undefined) return undefined
  const made = await mkdtemp(join(mount, 'causeway-'))
  await chown(made, service, service)
  await chmod(made, 0o1777)
  return made
}

/** As an administrator edits the file. */
async function giveUids(): Promise<void> {
  const path = join(gateway.directory, 'state/users.toml')
  const { users } = parse(await readFile(path, 'utf8')) as { users: { name: string }[] }
  const withUids = users.map((user) => ({ ...user, ...people[user.name as Person] }))
  await writeFile(path, stringify({ users: withUids }))
}

const s3 = (person: Person): S3Client => clients.get(person) as S3Client
const put = (person: Person, key: string, body: string) =>
  s3(person).send(new PutObjectCommand({ Bucket: 'docs', Key: key, Body: body }))
const get = async (person: Person, key: string) => {
  const { Body } = await s3(person).send(new GetObjectCommand({ Bucket: 'docs', Key: key }))
  return Body?.transformToString()
}
const outcome = (work: Promise<unknown>) =>
  work.then(
    () => 'OK',
    (error: { name?: string; message?: string }) => `${error.name}: ${error.message}`,
  )
const refused = (person: Person) =>
  `AccessDenied: The file system does not allow this to uid ${'uid' in people[person] ? people[person].uid : ''} (EACCES).`

describe.skipIf(process.getuid?.() !== 0)('enforcement kernel', () => {
  beforeAll(async () => {
    root = await makeRoot()
    gateway = await startInstance({
      account: service,
      ...(root !== undefined && { root }),
      operator: 'alice',
      config: { identity: { enforcement: 'kernel', file_mode: '0640' }, log: { level: 'debug' } },
    })
    clients.set('alice', gateway.s3())
    for (const person of ['bob', 'nobody'] as const)
      clients.set(person, gateway.s3({ credentials: await gateway.createKey(person) }))
    await giveUids()
    // The users' file is looked at once a second.
    await vi.waitFor(() => s3('alice').send(new CreateBucketCommand({ Bucket: 'docs' })), 10_000)
    const allow = {
      Effect: 'Allow',
      Principal: { AWS: ['bob', 'nobody'].map((name) => `arn:aws:iam::1:user/${name}`) },
      Action: 's3:*',
      Resource: ['arn:aws:s3:::docs', 'arn:aws:s3:::docs/*'],
    }
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [allow] })
    await s3('alice').send(new PutBucketPolicyCommand({ Bucket: 'docs', Policy }))
  }, 120_000)

  afterAll(async () => {
    await gateway?.stop()
    if (root !== undefined) await rm(root, { recursive: true, force: true })
  })

  test('what a user puts is theirs for file users, with the mode that is configured', async () => {
    await put('alice', 'a/note', 'hello')
    const facts = await stat(on('docs/a/note'))
    expect([facts.uid, facts.gid, facts.mode & 0o7777]).toEqual([people.alice.uid, people.alice.gid, 0o640])
    const above = await stat(on('docs/a'))
    expect([above.uid, above.mode & 0o7777]).toEqual([people.alice.uid, 0o750])
    expect(await get('alice', 'a/note')).toBe('hello')
  })

  test('a policy that allows another user everything opens nothing that the file system closes', async () => {
    await put('alice', 'a/note', 'hello')
    expect(await outcome(get('bob', 'a/note'))).toBe(refused('bob'))
    expect(await outcome(put('bob', 'a/other', 'x'))).toBe(refused('bob'))
    expect(await outcome(s3('bob').send(new DeleteObjectCommand({ Bucket: 'docs', Key: 'a/note' })))).toBe(
      refused('bob'),
    )
    expect(await outcome(s3('bob').send(new ListObjectsV2Command({ Bucket: 'docs' })))).toBe(refused('bob'))
    expect(await outcome(s3('bob').send(new DeleteBucketCommand({ Bucket: 'docs' })))).toMatch(
      /^AccessDenied|^BucketNotEmpty/,
    )
  })

  test('explain and the log say which part of the way to a file refuses', async () => {
    await put('alice', 'b/note', 'hello')
    expect(await outcome(get('bob', 'b/note'))).toBe(refused('bob'))
    const files = await vi.waitFor(async () => {
      const lines = (await readFile(join(gateway.directory, 'state/gateway.log'), 'utf8'))
        .split('\n')
        .filter((line) => line)
      const denied = lines.map((line) => JSON.parse(line)).find(({ msg, key }) => msg === 'denied' && key === 'b/note')
      expect(denied).toMatchObject({ user: 'bob', action: 's3:GetObject', posix: { uid: people.bob.uid } })
      return denied.files
    }, 10_000)
    expect(files).toEqual({
      path: expect.stringContaining(on('docs')),
      mode: expect.any(String),
      text: 'other may not search',
    })
    // On NFS explain is refused what the gateway sees: README.md, "Enforcement".
    if (root !== undefined) return
    const { stdout, exitCode } = await gateway.causeway(['explain', '--as', 'bob', 's3:GetObject', 'docs/b/note'])
    expect([stdout.split('\n').at(-1), exitCode]).toEqual([`denied: ${files.path} (${files.mode}): ${files.text}`, 1])
    expect((await gateway.causeway(['explain', '--as', 'alice', 's3:GetObject', 'docs/b/note'])).stdout).toMatch(
      /\nallowed: alice owns the bucket$/,
    )
  })

  test('what file users let a group do is what its members may do over S3', async () => {
    await mkdir(on('docs/shared'))
    await chown(on('docs/shared'), people.alice.uid, staff)
    await chmod(on('docs/shared'), 0o2770)
    await chown(on('docs'), people.alice.uid, staff)
    await put('bob', 'shared/from-bob', 'b')
    const facts = await stat(on('docs/shared/from-bob'))
    expect([facts.uid, facts.gid]).toEqual([people.bob.uid, staff])
    expect(await get('alice', 'shared/from-bob')).toBe('b')
    const { Contents } = await s3('bob').send(new ListObjectsV2Command({ Bucket: 'docs', Prefix: 'shared/' }))
    expect(Contents?.map(({ Key }) => Key)).toEqual(['shared/from-bob'])
  })

  test('a user without uid is refused with the reason', async () => {
    expect(await outcome(get('nobody', 'a/note'))).toBe(
      'AccessDenied: The directory gives nobody no uid, and the file system decides here what users may do.',
    )
    expect(await outcome(s3('nobody').send(new CreateBucketCommand({ Bucket: 'theirs' })))).toMatch(
      /^AccessDenied: .*no uid/,
    )
  })

  test('the listing of a user counts what it leaves out', async () => {
    await chmod(on('docs'), 0o755)
    await put('alice', 'closed/x', 'x')
    await put('alice', 'seen', 'x')
    await chmod(on('docs/seen'), 0o644)
    const { Contents } = await s3('bob').send(new ListObjectsV2Command({ Bucket: 'docs' }))
    const keys = Contents?.map(({ Key }) => Key) ?? []
    expect(keys).toContain('seen')
    expect(keys).not.toContain('closed/x')
    await chmod(on('docs'), 0o750)
  })

  test('an administrator’s mistake is told in a sentence', async () => {
    expect(await gateway.causeway(['buckets', 'create', 'made', '--owner', 'alice'])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/a bucket is a directory of its user/),
    })
    await mkdir(on('given'))
    await chown(on('given'), people.bob.uid, people.bob.gid)
    expect(await gateway.causeway(['buckets', 'map', 'given', on('given'), '--owner', 'bob'])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining(`install -d -o ${service} -g ${service} -m 0700 '${on('given/.s3')}'`),
    })
    await mkdir(on('given/.s3'), { mode: 0o700 })
    await chown(on('given/.s3'), service, service)
    expect(await gateway.causeway(['buckets', 'map', 'given', on('given'), '--owner', 'bob'])).toMatchObject({
      exitCode: 0,
    })
    await s3('bob').send(new PutObjectCommand({ Bucket: 'given', Key: 'k', Body: 'x' }))
    expect((await stat(on('given/k'))).uid).toBe(people.bob.uid)
  })

  test('a bucket goes with its user’s right, and nothing is left of it', async () => {
    await s3('bob').send(new CreateBucketCommand({ Bucket: 'short-lived' }))
    expect((await stat(on('short-lived'))).uid).toBe(people.bob.uid)
    await s3('bob').send(new DeleteBucketCommand({ Bucket: 'short-lived' }))
    expect(await readdir(on())).not.toContain('short-lived')
  })

  test('root, and a process without the capabilities, do not serve such a tree', async () => {
    const { directory } = gateway
    const other = join(directory, 'other.toml')
    await writeFile(
      other,
      stringify({
        namespace: { root: on() },
        state: { directory: join(directory, 'other') },
        listen: { https: `127.0.0.1:${await freePort()}` },
        identity: { enforcement: 'kernel', master_key_file: join(directory, 'state/master.key') },
      }),
    )
    const started = (command: readonly string[]) =>
      execa(
        command[0] ?? '',
        [...command.slice(1), join(projectDirectory, 'scripts/causeway'), 'serve', '--config', other],
        {
          reject: false,
          stdin: 'ignore',
        },
      )
    expect(await started(['env'])).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/runs as root/) })
    await mkdir(join(directory, 'other'), { recursive: true })
    await chown(join(directory, 'other'), service, service)
    const bare = ['setpriv', `--reuid=${service}`, `--regid=${service}`, '--clear-groups', '--inh-caps=-all', '--']
    expect(await started(bare)).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/lacks CAP_/) })
  })
})
