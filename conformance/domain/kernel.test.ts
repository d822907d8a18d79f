/** Enforcement `kernel` with people of a domain: the uid and gids of the directory decide at the file system, and for no longer than they are so there. */
import { chmod, chown, mkdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  CreateBucketCommand,
  GetObjectCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Domain, type DomainInstance, startDomain } from './start-domain.ts'

vi.setConfig({ testTimeout: 60_000 })

const service = 29_997

let domain: Domain
let gateway: DomainInstance
let alice: S3Client
let bob: S3Client

beforeAll(async () => {
  domain = await startDomain()
  gateway = await domain.startGateway({ account: service, config: { identity: { enforcement: 'kernel' } } })
  alice = gateway.s3()
  bob = gateway.s3({ credentials: await gateway.createKey('bob') })
  await alice.send(new CreateBucketCommand({ Bucket: 'docs' }))
  const allow = {
    Effect: 'Allow',
    Principal: { AWS: 'arn:aws:iam::0:user/bob' },
    Action: 's3:*',
    Resource: 'arn:aws:s3:::docs/*',
  }
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [allow] })
  await alice.send(new PutBucketPolicyCommand({ Bucket: 'docs', Policy }))
}, 200_000)

afterAll(async () => {
  await gateway?.stop()
  await domain?.stop()
})

const put = (s3: S3Client, Key: string) => s3.send(new PutObjectCommand({ Bucket: 'docs', Key, Body: Key }))
const get = async (s3: S3Client, Key: string) => {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'docs', Key }))
  return Body?.transformToString()
}
const ownerOf = async (name: string) => {
  const { uid, gid } = await stat(join(gateway.tree, name))
  return [uid, gid]
}

test('what a user of the domain puts is a file of their uid and primary group', async () => {
  await put(alice, 'a/note')
  expect(await ownerOf('docs')).toEqual([20_001, 21_000])
  expect(await ownerOf('docs/a/note')).toEqual([20_001, 21_000])
})

test('a group of the domain opens a directory to its members, who are out within 3 seconds of leaving it', async () => {
  const { administrator } = domain
  await administrator.addGroup('project', ['bob'], { gidNumber: '21500' })
  const shared = join(gateway.tree, 'docs/shared')
  await mkdir(shared)
  await chown(shared, 20_001, 21_500)
  await chmod(shared, 0o2770)
  await vi.waitFor(() => put(bob, 'shared/from-bob'), 5000)
  expect(await ownerOf('docs/shared/from-bob')).toEqual([20_002, 21_500])
  expect(await get(bob, 'shared/from-bob')).toBe('shared/from-bob')
  await administrator.removeMember('project', 'bob')
  const begunMs = performance.now()
  await vi.waitFor(
    () =>
      expect(get(bob, 'shared/from-bob')).rejects.toMatchObject({
        name: 'AccessDenied',
        message: 'The file system does not allow this to uid 20002 (EACCES).',
      }),
    { timeout: 5000, interval: 20 },
  )
  expect(performance.now() - begunMs).toBeLessThan(3000)
  const audited = (await readFile(gateway.auditFile, 'utf8')).trim().split('\n')
  expect(audited.map((line) => JSON.parse(line))).toContainEqual(
    expect.objectContaining({
      user: 'bob',
      action: 's3:GetObject',
      verdict: 'refuse',
      reason: 'The file system does not allow this to uid 20002 (EACCES).',
    }),
  )
})

test('explain tells the mode bit that refuses what the policy allows', async () => {
  await put(alice, 'a/note')
  await chmod(join(gateway.tree, 'docs/a'), 0o700)
  const { stdout, exitCode } = await gateway.causeway(['explain', '--as', 'bob', 's3:GetObject', 'docs/a/note'])
  expect(exitCode).toBe(1)
  expect(stdout).toMatch(/drwx------ .*docs\/a/)
  expect(stdout).toMatch(/^denied: /m)
})
