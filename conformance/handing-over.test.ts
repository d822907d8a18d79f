/**
 * A tree of files that people have written over NFS is given to a group: who is in it owns the bucket, and each file is its user's. Files of several
 * uids are needed, which only root can make.
 */
import { chown, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type _Object,
  DeleteObjectCommand,
  GetBucketPolicyCommand,
  GetObjectAclCommand,
  GetObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  type ObjectVersion,
  PutBucketOwnershipControlsCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Instance, startInstance } from './instance.ts'

vi.setConfig({ testTimeout: 60_000 })

const Bucket = 'team'
const uids = { alice: 61_001, bob: 61_002, carol: 61_003, nobody: 61_004 } as const

let instance: Instance
/** In staff: alice and carol. */
let alice: S3Client
let bob: S3Client
let carol: S3Client

beforeAll(async () => {
  if (process.getuid?.() !== 0) throw new Error('Files of several users can be made by root only; run this as root.')
  instance = await startInstance()
  const clientOf = async (user: string) => instance.s3({ credentials: await instance.createKey(user) })
  alice = await clientOf('alice')
  bob = await clientOf('bob')
  carol = await clientOf('carol')
  await setUsers({ alice: ['staff'], bob: ['crew'], carol: ['staff'] })
  const tree = join(instance.tree, 'existing')
  await mkdir(tree)
  for (const [name, uid] of Object.entries(uids)) {
    await writeFile(join(tree, `of-${name}`), `of ${name}`)
    await chown(join(tree, `of-${name}`), uid, 100)
  }
  expect((await instance.causeway(['buckets', 'map', Bucket, tree, '--owner', 'group:staff'])).exitCode).toBe(0)
}, 200_000)
afterAll(() => instance?.stop())

/** Gives everybody their uid, and these groups. */
async function setUsers(groups: Readonly<Record<'alice' | 'bob' | 'carol', readonly string[]>>): Promise<void> {
  const path = join(instance.directory, 'state/users.toml')
  let text = (await readFile(path, 'utf8')).replace(/^(?:groups|uid|gid) = .*\n/gm, '')
  for (const [name, member] of Object.entries(groups)) {
    const more = `groups = ${JSON.stringify(member)}\nuid = ${uids[name as keyof typeof groups]}\ngid = 100\n`
    text = text.replace(`name = "${name}"\n`, `name = "${name}"\n${more}`)
  }
  await writeFile(path, text)
}

const codeOf = (answer: Promise<unknown>): Promise<string> =>
  answer.then(
    () => 'OK',
    (error: Error) => error.name,
  )
const read = (client: S3Client, Key: string) => codeOf(client.send(new GetObjectCommand({ Bucket, Key })))
const ownersOf = (entries: readonly (_Object | ObjectVersion)[] = []) =>
  Object.fromEntries(entries.map(({ Key, Owner }) => [Key, Owner?.DisplayName]))
const Policy = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Deny', Principal: '*', Action: 's3:*', Resource: `arn:aws:s3:::${Bucket}/secret/*` }],
})

/** What only who owns a bucket may do, each with its answer. */
const asOwner = async (client: S3Client) => ({
  list: await codeOf(client.send(new ListObjectsV2Command({ Bucket }))),
  read: await read(client, 'of-nobody'),
  put: await codeOf(client.send(new PutObjectCommand({ Bucket, Key: 'new', Body: 'new' }))),
  delete: await codeOf(client.send(new DeleteObjectCommand({ Bucket, Key: 'new' }))),
  putPolicy: await codeOf(client.send(new PutBucketPolicyCommand({ Bucket, Policy }))),
  getPolicy: await codeOf(client.send(new GetBucketPolicyCommand({ Bucket }))),
})
const everything = { list: 'OK', read: 'OK', put: 'OK', delete: 'OK', putPolicy: 'OK', getPolicy: 'OK' }
const nothing = Object.fromEntries(Object.keys(everything).map((name) => [name, 'AccessDenied']))
const bucketsOf = async (client: S3Client) =>
  (await client.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name)

test('who is in the group owns the bucket, and nobody else has any of it', async () => {
  // The file of users is looked at once a second.
  await vi.waitFor(async () => expect(await asOwner(alice)).toEqual(everything), 5000)
  expect(await asOwner(carol)).toEqual(everything)
  expect(await bucketsOf(carol)).toContain(Bucket)
  expect(await asOwner(bob)).toEqual(nothing)
  expect(await bucketsOf(bob)).toEqual([])
  const asked = ['explain', 's3:DeleteBucket', Bucket, '--as', 'carol']
  expect((await instance.causeway(asked)).stdout).toContain(
    'allowed: carol is in the group staff, which owns the bucket',
  )
})

test('each file is listed as its user’s', async () => {
  const owners = { 'of-alice': 'alice', 'of-bob': 'bob', 'of-carol': 'carol', 'of-nobody': `uid-${uids.nobody}` }
  const listed = await alice.send(new ListObjectsV2Command({ Bucket, FetchOwner: true }))
  expect(ownersOf(listed.Contents)).toEqual(owners)
  expect(ownersOf((await alice.send(new ListObjectVersionsCommand({ Bucket }))).Versions)).toEqual(owners)
})

test('where ACLs are off all files are the group’s, and where they are on a file is its user’s', async () => {
  const ownerOf = async (client: S3Client, Key: string) =>
    (await client.send(new GetObjectAclCommand({ Bucket, Key }))).Owner?.DisplayName
  for (const name of Object.keys(uids)) expect(await read(carol, `of-${name}`)).toBe('OK')
  expect(await read(bob, 'of-bob')).toBe('AccessDenied')
  expect(await ownerOf(carol, 'of-bob')).toBe('group:staff')

  const Rules = [{ ObjectOwnership: 'ObjectWriter' as const }]
  await carol.send(new PutBucketOwnershipControlsCommand({ Bucket, OwnershipControls: { Rules } }))
  expect(await read(bob, 'of-bob')).toBe('OK')
  expect(await ownerOf(bob, 'of-bob')).toBe('bob')
  expect(await read(carol, 'of-bob')).toBe('AccessDenied')
  expect(await read(bob, 'of-alice')).toBe('AccessDenied')
  for (const name of ['alice', 'nobody']) {
    expect(await read(carol, `of-${name}`)).toBe('OK')
    expect(await ownerOf(carol, `of-${name}`)).toBe('group:staff')
  }
})

test('who is taken out of the group loses all of it within 3 seconds', async () => {
  await carol.send(new PutObjectCommand({ Bucket, Key: 'by-carol', Body: 'by carol' }))
  await setUsers({ alice: ['staff'], bob: ['crew'], carol: [] })
  await vi.waitFor(async () => expect(await asOwner(carol)).toEqual(nothing), 3000)
  expect(await read(carol, 'by-carol')).toBe('AccessDenied')
  expect(await bucketsOf(carol)).toEqual([])
  expect(await read(alice, 'by-carol')).toBe('OK')
  // Her own file is still hers, now that she does not write for the group any more.
  expect(await read(carol, 'of-carol')).toBe('OK')
  expect(await instance.errors()).toEqual([])
})
