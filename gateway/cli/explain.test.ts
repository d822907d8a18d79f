import { chmod, chown, link, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Decision, User } from '#auth'
import { NamespaceError } from '#namespace'
import { authorize } from '../authorize.ts'
import { writeBucketDocument } from '../bucket-documents.ts'
import { getObject } from '../operations/get-object.ts'
import { putObject } from '../operations/put-object.ts'
import { alice, bob, createHarness, directory } from '../operations/testing/call-operation.ts'
import { fill } from '../operations/testing/fill.ts'
import { parseS3Request } from '../s3-request.ts'
import { explain } from './explain.ts'
import { ensureDirectories } from './first-run.ts'
import { readPlace } from './place.ts'

const userOf = (identity: typeof alice): User => ({ ...identity, id: identity.userName, disabled: false })
const s3 = { accountPublicAccessBlock: false }

it('the verdict and its reason are those that a request gets', async () => {
  const harness = createHarness()
  await fill(harness, ['a', 'kept'])
  const Statement = [
    { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: 'arn:aws:s3:::photos/*' },
    { Sid: 'Kept', Effect: 'Deny', Principal: '*', Action: 's3:*', Resource: 'arn:aws:s3:::photos/kept' },
  ]
  await writeBucketDocument(harness.namespace, 'photos', 'policy', {
    text: JSON.stringify({ Version: '2012-10-17', Statement }),
  })
  const seen: boolean[] = []
  for (const identity of [alice, bob, undefined])
    for (const operation of [getObject, putObject])
      for (const key of ['a', 'kept', 'none']) {
        const namespace = harness.memory.as(identity ?? bob)
        const decisions: Decision[] = []
        const request = { method: operation.match.method, rawUrl: `/photos/${key}`, headers: [] }
        await authorize({
          operation,
          request: parseS3Request(request),
          identity,
          namespace,
          directory,
          circumstances: { clientAddress: '192.0.2.7', scheme: 'https', now: new Date() },
          s3,
          decided: (_action, _resource, decision) => decisions.push(decision),
        }).catch(() => {})
        const question = { action: operation.action ?? '', resource: `photos/${key}`, condition: new Map() }
        const explained = explain({ namespace: () => namespace, directory, s3 }, identity && userOf(identity), question)
        // Who may know that an object is not there is told so by both, without a verdict.
        expect(await explained.then((decision) => [decision]).catch(() => [])).toEqual(decisions)
        seen.push(...decisions.map(({ allow }) => allow))
      }
  expect(new Set(seen)).toEqual(new Set([true, false]))
})

it('the tree is looked at as the service, whoever asks', async () => {
  const harness = createHarness()
  await fill(harness, ['a'])
  const callers: unknown[] = []
  const namespace = (caller: unknown) => {
    callers.push(caller)
    return harness.namespace
  }
  const user = { ...userOf(alice), posix: { uid: 1000, gid: 100, groups: [] } }
  await explain({ namespace, directory, s3 }, user, {
    action: 's3:GetObject',
    resource: 'photos/a',
    condition: new Map(),
  })
  expect(callers).toEqual([{ canonicalId: alice.canonicalId, displayName: alice.displayName }])
})

it('a linked file is refused to whoever could read it otherwise, with its own sentence', async () => {
  const harness = createHarness()
  await fill(harness, ['a'])
  const linked = new NamespaceError('AccessDenied', { message: 'It has another name.', Links: 2 })
  const objects = { ...harness.namespace.objects, stat: () => Promise.reject(linked) }
  const namespace = () => ({ ...harness.namespace, objects })
  const asked = (identity: typeof alice, action: string) =>
    explain({ namespace, directory, s3 }, userOf(identity), { action, resource: 'photos/a', condition: new Map() })
  await expect(asked(alice, 's3:GetObject')).rejects.toBe(linked)
  expect(await asked(alice, 's3:DeleteObject')).toMatchObject({ allow: true })
  expect(await asked(bob, 's3:GetObject')).toMatchObject({ allow: false })
})

describe('the command', () => {
  // Each command is a process; on a busy machine a dozen of them take their time.
  vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })
  const asRoot = process.getuid?.() === 0
  let home: string
  let accessKeyId: string
  let secret: string

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'causeway-explain-'))
    await ensureDirectories(readPlace({ data: home }))
    const users = [
      '[[users]]\nname = "alice"\nuid = 30001\ngid = 30000\nsupplementary_gids = [30100]\ngroups = ["staff"]',
      '[[users]]\nname = "bob"\nuid = 30002\ngid = 30000',
    ]
    await writeFile(join(home, 'state/users.toml'), `${users.join('\n')}\n`)
    const { stdout } = await causeway('keys create alice')
    ;[accessKeyId = '', secret = ''] = [...stdout.matchAll(/=(\w+)$/gm)].map((match) => match[1] ?? '')
    await causeway('buckets create photos --owner alice')
    await mkdir(join(home, 'tree/photos/2026'))
    await writeFile(join(home, 'tree/photos/2026/may.jpg'), 'x')
    await chmod(join(home, 'tree/photos/2026'), 0o2750)
    if (asRoot) await chown(join(home, 'tree/photos/2026'), 990, 30_100)
  })
  afterAll(() => rm(home, { recursive: true }))

  async function causeway(line: string) {
    const program = fileURLToPath(new URL('causeway.ts', import.meta.url))
    const argv = [program, ...line.split(' '), '--data', home]
    const { stdout, stderr, exitCode } = await execa(process.execPath, argv, { reject: false, stdin: 'ignore' })
    return { stdout, stderr, exitCode }
  }

  it('says that a file is refused for its second name, where nobody else is asked', async () => {
    await writeFile(join(home, 'theirs'), 'x')
    await link(join(home, 'theirs'), join(home, 'tree/photos/linked'))
    const { stdout, exitCode } = await causeway('explain --as alice s3:GetObject photos/linked')
    expect(stdout).toMatch(/\ndenied: This file has another name \(a hard link\).*namespace\.linked_file_uids/)
    expect(exitCode).toBe(1)
    const uid = process.getuid?.() ?? -1
    await writeFile(join(home, 'listed.toml'), `[namespace]\nlinked_file_uids = [${uid}]\n`)
    const listed = await causeway(`explain --as alice s3:GetObject photos/linked --config ${join(home, 'listed.toml')}`)
    expect(listed).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('\nallowed: ') })
  })

  it('says the whole chain: key, user, groups, ids, the line that decides, mode bits, verdict', async () => {
    const { stdout, ...rest } = await causeway(`explain --access-key ${accessKeyId} s3:GetObject photos/2026/may.jpg`)
    expect(rest).toEqual({ stderr: '', exitCode: 0 })
    expect(stdout).not.toContain(secret)
    const lines = stdout.split('\n')
    expect(lines.slice(0, 6)).toEqual([
      `access key: ${accessKeyId}, enabled`,
      expect.stringMatching(/^user: alice \([0-9a-f]{64}\)$/),
      'groups: staff',
      'uid: 30001, gid 30000, supplementary gids 30100',
      'rights: alice owns the bucket',
      'mode bits (not asked: enforcement is service):',
    ])
    const [directory = [], file = []] = lines.slice(-3).map((line) => line.split(/ {2,}/))
    expect([directory[1], directory.at(-1)]).toEqual(['drwxr-s---', join(home, 'tree/photos/2026')])
    if (asRoot) expect(directory.slice(2, 4)).toEqual(['990:30100', 'group may search'])
    expect([file[1], file.at(-1)]).toEqual([expect.stringMatching(/^-rw-/), join(home, 'tree/photos/2026/may.jpg')])
    expect(lines.at(-1)).toBe('allowed: alice owns the bucket')
  })

  it('narrows what a user may by a session policy', async () => {
    const file = join(home, 'session.json')
    const Statement = { Effect: 'Allow', Action: 's3:ListBucket', Resource: '*' }
    await writeFile(file, JSON.stringify({ Version: '2012-10-17', Statement }))
    const asked = `explain --as alice --session-policy ${file}`
    expect(await causeway(`${asked} s3:GetObject photos/2026/may.jpg`)).toMatchObject({
      exitCode: 1,
      stdout: expect.stringMatching(/\ndenied: the session policy of alice does not allow s3:GetObject$/),
    })
    expect((await causeway(`${asked} s3:ListBucket photos`)).exitCode).toBe(0)
    expect((await causeway(`explain --session-policy ${file} s3:ListBucket photos`)).stderr).toBe(
      'causeway: A session policy narrows what a user may; say whom with --as.',
    )
    await writeFile(file, ' '.repeat(2049))
    expect((await causeway(`${asked} s3:ListBucket photos`)).stderr).toMatch(
      /^causeway: A session policy has at most 2048 characters; /,
    )
  })

  it('says of an object that is not there, to who may know, what S3 answers', async () => {
    const Statement = {
      Effect: 'Allow',
      Principal: { AWS: 'arn:aws:iam::123456789012:user/bob' },
      Action: ['s3:GetObject', 's3:ListBucket'],
      Resource: ['arn:aws:s3:::photos', 'arn:aws:s3:::photos/*'],
    }
    const text = JSON.stringify({ Version: '2012-10-17', Statement })
    await writeFile(join(home, 'tree/.causeway/buckets/photos/policy.json'), JSON.stringify({ text }))
    const { stdout, ...rest } = await causeway('explain --as bob s3:GetObject photos/2026/june.jpg')
    expect(rest).toEqual({ stderr: '', exitCode: 1 })
    expect(stdout).toMatch(/\nnot there: S3 answers NoSuchKey$/)
  })

  it('denies by mode bits where enforcement is kernel, anonymous callers too', async () => {
    const file = join(home, 'kernel.toml')
    await writeFile(file, '[identity]\nenforcement = "kernel"\nanonymous_uid = 30009\nanonymous_gid = 30009\n')
    const may = join(home, 'tree/photos/2026/may.jpg')
    await chmod(may, 0o600)
    const denied = await causeway(`explain --config ${file} --as alice s3:GetObject photos/2026/may.jpg`)
    expect(denied).toMatchObject({ exitCode: 1, stderr: '' })
    expect(denied.stdout).toMatch(/^rights: alice owns the bucket\nmode bits:\n/m)
    if (asRoot) expect(denied.stdout.split('\n').at(-1)).toBe(`denied: ${may} (-rw------- 0:0): other may not read`)
    await chmod(join(home, 'tree'), 0o755)
    const made = `explain --config ${file} s3:CreateBucket new`
    expect((await causeway(`${made} --as alice`)).stdout).toMatch(
      /\ndenied: .*tree \(drwxr-xr-x .*\): \w+ may not write$/,
    )
    expect((await causeway(`explain --config ${file} s3:ListBucket photos`)).stdout).toMatch(
      /\n {2}d\S+ +\S+ +other may read +\S+photos\n/,
    )
  })

  it('denies whoever has a disabled key, and takes a user or a key, not both', async () => {
    await causeway(`keys disable ${accessKeyId}`)
    const { stdout, exitCode } = await causeway(`explain --access-key ${accessKeyId} s3:ListBucket photos`)
    expect(exitCode).toBe(1)
    expect(stdout.split('\n')[0]).toBe(`access key: ${accessKeyId}, disabled`)
    expect(stdout.split('\n').at(-1)).toBe(`denied: the access key ${accessKeyId} is disabled`)
    expect((await causeway('explain --as alice s3:ListBucket photos')).stdout).toMatch(
      /^access keys: none that works\n/,
    )
    expect(await causeway(`explain --as alice --access-key ${accessKeyId} s3:ListBucket photos`)).toMatchObject({
      exitCode: 1,
      stdout: '',
    })
  })
})
