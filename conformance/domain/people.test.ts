/** People of a real domain and their keys: the commands as they are typed, requests through nginx, two gateways with two workers each. */
import { existsSync } from 'node:fs'
import { chown, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  CreateBucketCommand,
  GetBucketAclCommand,
  GetObjectCommand,
  type Grantee,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutBucketAclCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { canonicalIdOf } from '../../auth/directory/active-directory/object-guid.ts'
import { type Instance, keyOf } from '../instance.ts'
import type { Credentials } from '../sign.ts'
import { assume } from './assume.ts'
import { type Domain, type DomainInstance, startDomain } from './start-domain.ts'

vi.setConfig({ testTimeout: 60_000 })

const LOCKOUT_THRESHOLD = 5

let domain: Domain
let gateway: DomainInstance
/** Of the same tree; an account that is locked or whose password has expired has no keys there. */
let strict: DomainInstance
const keys = new Map<string, Credentials>()

beforeAll(async () => {
  domain = await startDomain({ lockoutThreshold: LOCKOUT_THRESHOLD })
  gateway = await domain.startGateway({
    config: { identity: { locked_blocks_keys: false, expired_password_blocks_keys: false } },
  })
  strict = await domain.startGateway({ beside: gateway })
  keys.set('alice', gateway.credentials)
  await Promise.all(
    ['bob', 'carol', 'dave', 'erin', 'frank'].map(async (name) => keys.set(name, await gateway.createKey(name))),
  )
}, 200_000)

afterAll(async () => {
  await strict?.stop()
  await gateway?.stop()
  await domain?.stop()
})

const as = (name: string, instance: Instance = gateway) => instance.s3({ credentials: keyNamed(name) })

function keyNamed(name: string): Credentials {
  const key = keys.get(name)
  if (key === undefined) throw new Error(`${name} has no key`)
  return key
}

const codeOf = (answer: Promise<unknown>): Promise<string> =>
  answer.then(
    () => 'OK',
    (error: Error) => error.name,
  )

const put = (s3: S3Client, Bucket: string, Key: string, Body = 'x') =>
  codeOf(s3.send(new PutObjectCommand({ Bucket, Key, Body })))
/** Read to its end: an unread body keeps its connection. */
const get = (s3: S3Client, Bucket: string, Key: string) =>
  codeOf(s3.send(new GetObjectCommand({ Bucket, Key })).then(({ Body }) => Body?.transformToByteArray()))
const list = (s3: S3Client) => codeOf(s3.send(new ListBucketsCommand({})))
const create = (s3: S3Client, Bucket: string) => s3.send(new CreateBucketCommand({ Bucket }))
const ownIdOf = async (s3: S3Client) => (await s3.send(new ListBucketsCommand({}))).Owner?.ID

/** On every worker: the answer twenty times at once, by as many connections. */
async function soon(ask: () => Promise<string>, answer: string): Promise<void> {
  await vi.waitFor(
    async () => expect(await Promise.all(Array.from({ length: 20 }, ask))).toEqual(Array(20).fill(answer)),
    {
      timeout: 10_000,
      interval: 100,
    },
  )
}

const allow = (Action: string, Resource: string, principal?: string) => ({
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Action, Resource, ...(principal && { Principal: { AWS: `arn:aws:iam::0:${principal}` } }) },
  ],
})

describe('keys', () => {
  test('are made for who is there, and there is no file of users', async () => {
    expect(await gateway.causeway(['keys', 'create', 'nobody'])).toEqual({
      stdout: '',
      stderr: 'causeway: The directory has no user nobody; check the spelling.',
      exitCode: 1,
    })
    const { accessKeyId } = gateway.credentials
    const listed = (...options: string[]) => gateway.causeway(['keys', 'list', ...options])
    expect((await listed()).stdout).toMatch(new RegExp(`\n${accessKeyId} +alice +enabled `))
    expect((await listed('--user', 'ALICE@LAB')).stdout).toContain(accessKeyId)
    expect((await listed('--user', 'bob')).stdout).not.toContain(accessKeyId)
    for (const name of ['state/users.toml', 'client.env'])
      expect(existsSync(join(gateway.directory, name)), name).toBe(false)
  })

  test('are rotated: the old one goes on for its overlap and not a moment without', async () => {
    const rotate = async (id: string, overlap: string) => {
      const key = keyOf(await gateway.causeway(['keys', 'rotate', id, '--overlap', overlap]))
      domain.secrets.set(`rotated key ${key.accessKeyId}`, key.secretAccessKey)
      return key
    }
    const first = await gateway.createKey('carol')
    const s3 = ({ accessKeyId, secretAccessKey }: Credentials) =>
      gateway.s3({ credentials: { accessKeyId, secretAccessKey } })
    const [one, two] = [s3(first), s3(await rotate(first.accessKeyId, '1h'))]
    expect([await list(one), await list(two)]).toEqual(['OK', 'OK'])
    const three = s3(await rotate(first.accessKeyId, '0'))
    await soon(() => list(one), 'InvalidAccessKeyId')
    expect([await list(two), await list(three)]).toEqual(['OK', 'OK'])
    expect(new Set([await ownIdOf(two), await ownIdOf(three)])).toEqual(
      new Set([canonicalIdOf(domain.seed.carol.guid)]),
    )
  })

  test('of which one record is damaged are refused by that one, and all others are served', async () => {
    const broken = await gateway.createKey('bob')
    const intact = await gateway.createKey('bob')
    await writeFile(join(gateway.tree, '.causeway/keys', `${broken.accessKeyId}.json`), '{"v":1,"acc')
    await soon(() => list(gateway.s3({ credentials: broken })), 'InvalidAccessKeyId')
    await soon(() => list(gateway.s3({ credentials: intact })), 'OK')
    const log = await readFile(join(gateway.directory, 'state/gateway.log'), 'utf8')
    expect(log).toContain(`${broken.accessKeyId}.json`)
  })
})

describe('an account', () => {
  test('that is disabled or expired has no keys, on any gateway; one that must change its password has where the configuration says', async () => {
    const codes = async (instance: Instance) =>
      Promise.all(['alice', 'dave', 'erin', 'frank'].map((name) => list(as(name, instance))))
    expect(await codes(gateway)).toEqual(['OK', 'InvalidAccessKeyId', 'InvalidAccessKeyId', 'OK'])
    expect(await codes(strict)).toEqual(['OK', 'InvalidAccessKeyId', 'InvalidAccessKeyId', 'InvalidAccessKeyId'])
  })

  test('that is disabled, expired or must change its password gets no temporary keys, and the answer is that of a wrong password', async () => {
    const { seed } = domain
    for (const { name, password } of [seed.dave, seed.erin, seed.frank]) {
      expect(await assume(gateway, name, password), name).toMatchObject({ status: 403, code: 'AccessDenied' })
    }
    expect(await assume(gateway, 'alice', 'wrong')).toMatchObject({ status: 403, code: 'AccessDenied' })
  })

  test('that is renamed keeps its keys, buckets and objects, and who gets its old name has none of them', async () => {
    await domain.addUser('maiden')
    keys.set('maiden', await gateway.createKey('maiden'))
    const s3 = as('maiden')
    await create(s3, 'of-maiden')
    expect(await put(s3, 'of-maiden', 'kept')).toBe('OK')
    const before = await ownIdOf(s3)
    await domain.administrator.rename('maiden', 'married')
    await domain.addUser('maiden')
    keys.set('new maiden', await gateway.createKey('maiden'))
    await soon(() => get(s3, 'of-maiden', 'kept'), 'OK')
    expect(await put(s3, 'of-maiden', 'later')).toBe('OK')
    expect(await ownIdOf(s3)).toBe(before)
    expect((await s3.send(new GetBucketAclCommand({ Bucket: 'of-maiden' }))).Owner?.ID).toBe(before)
    const other = as('new maiden')
    expect([await get(other, 'of-maiden', 'kept'), await put(other, 'of-maiden', 'kept')]).toEqual([
      'AccessDenied',
      'AccessDenied',
    ])
    expect((await other.send(new ListBucketsCommand({}))).Buckets).toEqual([])
    expect((await gateway.causeway(['keys', 'list', '--user', 'married'])).stdout).toContain(
      keyNamed('maiden').accessKeyId,
    )
  })

  test('that is deleted and made again under its name inherits neither keys nor sessions nor buckets', async () => {
    const { password } = await domain.addUser('phoenix')
    keys.set('phoenix', await gateway.createKey('phoenix'))
    const session = await assume(gateway, 'phoenix', password)
    domain.secrets.set('session of phoenix', session.credentials.sessionToken)
    const [before, inSession] = [as('phoenix'), gateway.s3({ credentials: session.credentials })]
    await create(before, 'of-phoenix')
    expect(await put(inSession, 'of-phoenix', 'ashes')).toBe('OK')
    await domain.administrator.remove('phoenix')
    await domain.addUser('phoenix')
    await soon(() => get(before, 'of-phoenix', 'ashes'), 'InvalidAccessKeyId')
    await soon(() => get(inSession, 'of-phoenix', 'ashes'), 'InvalidAccessKeyId')
    keys.set('new phoenix', await gateway.createKey('phoenix'))
    expect(await get(as('new phoenix'), 'of-phoenix', 'ashes')).toBe('AccessDenied')
    expect((await as('new phoenix').send(new ListBucketsCommand({}))).Buckets).toEqual([])
  })
})

describe('a policy of a bucket', () => {
  const Bucket = 'shared'
  const setPolicy = (principal: string) =>
    as('alice').send(
      new PutBucketPolicyCommand({
        Bucket,
        Policy: JSON.stringify(allow('s3:GetObject', `arn:aws:s3:::${Bucket}/*`, principal)),
      }),
    )

  beforeAll(async () => {
    await create(as('alice'), Bucket)
    await put(as('alice'), Bucket, 'a')
  })

  test.each([
    ['group by its name', 'group', 'staff', 'name'],
    ['group by its SID', 'group', 'staff', 'sid'],
    ['user by the name', 'user', 'bob', 'name'],
    ['user by the SID', 'user', 'bob', 'sid'],
  ] as const)('lets a %s in, and nobody else', async (_, kind, name, by) => {
    await setPolicy(`${kind}/${(await domain.administrator.find(name))[by]}`)
    await soon(() => get(as('bob'), Bucket, 'a'), 'OK')
    await soon(() => get(as('bob', strict), Bucket, 'a'), 'OK')
    expect(await get(as('carol'), Bucket, 'a')).toBe('AccessDenied')
    expect(await put(as('bob'), Bucket, 'a')).toBe('AccessDenied')
  })

  test('lets in who is in a group of a group of the group', async () => {
    await create(as('bob'), 'of-bob')
    await put(as('bob'), 'of-bob', 'a')
    expect(await get(as('alice'), 'of-bob', 'a')).toBe('AccessDenied')
    await as('bob').send(
      new PutBucketPolicyCommand({
        Bucket: 'of-bob',
        Policy: JSON.stringify(allow('s3:GetObject', 'arn:aws:s3:::of-bob/*', 'group/staff')),
      }),
    )
    await soon(() => get(as('alice'), 'of-bob', 'a'), 'OK')
    expect((await gateway.causeway(['explain', '--as', 'alice', 's3:GetObject', 'of-bob/a'])).stdout).toContain(
      'allowed: ',
    )
  })

  test('that names somebody as no directory would is refused or names nobody', async () => {
    for (const name of ['*)(uid=*', '*', 'bo?']) expect(await codeOf(setPolicy(`user/${name}`))).toBe('MalformedPolicy')
    for (const name of ['bob)(objectClass=person', '\\62ob', '../bob', 'LAB\\bob', 'x'.repeat(2000)]) {
      await setPolicy(`user/${name}`)
      await soon(() => get(as('bob'), Bucket, 'a'), 'AccessDenied')
    }
  })
})

test('explain and the owner of a bucket know people by their names in the domain', async () => {
  await gateway.causeway(['buckets', 'create', 'hers', '--owner', 'alice@lab.example.test'])
  const { stdout } = await gateway.causeway(['explain', '--as', 'alice', 's3:GetObject', 'hers/note'])
  expect(stdout).toContain(`user: alice (${domain.seed.alice.sid}, `)
  expect(stdout).toContain('uid: 20001, gid 21000, supplementary gids 21001, 21002')
  expect(stdout).toContain('allowed: alice owns the bucket')
  expect((await gateway.causeway(['explain', '--as', 'bob', 's3:GetObject', 'hers/note'])).stdout).toContain('denied: ')
  expect((await gateway.causeway(['buckets', 'list'])).stdout).toMatch(/\nhers +alice /)
})

test('a policy of a group holds in all buckets for who is in it, also by way of another group, until it is taken away', async () => {
  const work = join(gateway.directory, 'work')
  await mkdir(work)
  const file = join(work, 'read-archive.json')
  await writeFile(file, JSON.stringify(allow('s3:*', 'arn:aws:s3:::archive*')))
  await create(as('carol'), 'archive')
  const listed = (name: string, instance: Instance = gateway) =>
    codeOf(as(name, instance).send(new ListObjectsV2Command({ Bucket: 'archive' })))
  expect([await listed('alice'), await listed('bob')]).toEqual(['AccessDenied', 'AccessDenied'])
  const policies = async (...command: string[]) =>
    expect(await gateway.causeway(['policies', ...command])).toMatchObject({ exitCode: 0 })
  await policies('put', 'read-archive', file)
  await policies('attach', 'read-archive', 'research')
  for (const instance of [gateway, strict]) await soon(() => listed('alice', instance), 'OK')
  expect(await listed('bob')).toBe('AccessDenied')
  const { sid } = await domain.administrator.find('research')
  expect((await gateway.causeway(['policies', 'list'])).stdout).toMatch(new RegExp(`read-archive +research +${sid}`))
  await domain.administrator.rename('research', 'science')
  await soon(() => listed('alice'), 'OK')
  await policies('detach', 'read-archive', sid)
  for (const instance of [gateway, strict]) await soon(() => listed('alice', instance), 'AccessDenied')
})

describe('a password of the directory', () => {
  test('is traded for temporary keys of one and the same person, however the name is spelled', async () => {
    const { name, userPrincipalName, password, guid } = domain.seed.alice
    for (const spelled of [name, 'ALICE', `LAB\\${name}`, userPrincipalName, `${name}@LAB`]) {
      const { status, credentials } = await assume(gateway, spelled, password)
      expect(status, spelled).toBe(200)
      domain.secrets.set(`secret of a session of ${spelled}`, credentials.secretAccessKey)
      domain.secrets.set(`token of a session of ${spelled}`, credentials.sessionToken)
      for (const instance of [gateway, strict])
        expect(await ownIdOf(instance.s3({ credentials })), spelled).toBe(canonicalIdOf(guid))
    }
  })

  test('is not tried any more below the threshold of the domain, on no gateway and by no spelling, so nobody is locked', async () => {
    const sam = await domain.addUser('sam')
    const spellings = ['sam', 'LAB\\sam', 'sam@lab.example.test', 'SAM', 'sam@LAB', 'lab\\Sam']
    for (const [index, name] of [...spellings, ...spellings].entries()) {
      const wrong = `wrong ${index}`
      domain.secrets.set(`wrong password ${index}`, wrong)
      expect((await assume(index % 2 === 0 ? gateway : strict, name, wrong)).code).toBe('AccessDenied')
    }
    expect((await assume(gateway, 'sam', sam.password)).code).toBe('AccessDenied')
    const client = domain.controller.client()
    await client.bind(sam.dn, sam.password) // not locked: the directory itself takes the right one
    await client.unbind()
    expect(await assume(gateway, 'sam', sam.password)).toMatchObject({ status: 200 })
    const trials = await metric(gateway, 'causeway_password_trials_total{outcome="throttled user"')
    expect(trials).toBeGreaterThan(0)
    const log = await readFile(join(gateway.directory, 'state/gateway.log'), 'utf8')
    expect(log).toMatch(/"outcome":"throttled user".*"msg":"a password was refused"/)
  })
})

test('names that are filters, paths, NULs or 64 KB long are nobody, wherever a client can send one', async () => {
  const names = ['*', '*)(uid=*', 'alice)(objectClass=*', '\\5c', '\\2a', 'alice\0', '\0', '../alice', 'CN=alice']
  const long = 'x'.repeat(65_536)
  for (const name of [...names, `<GUID=${domain.seed.alice.guid}>`, 'x'.repeat(20_000), domain.seed.alice.dn])
    expect(await assume(gateway, name, domain.seed.alice.password), name).toMatchObject({ status: 403 })
  expect(await assume(gateway, long, 'x')).toMatchObject({ status: 400 })
  expect(await assume(gateway, 'alice', '\0')).toMatchObject({ status: 403 })
  const s3 = as('alice')
  for (const accessKeyId of ['*)(uid=*', '../../alice', '.readers', '*', 'x'.repeat(4000)])
    expect(await list(gateway.s3({ credentials: { accessKeyId, secretAccessKey: 'x' } })), accessKeyId).toMatch(
      /^(InvalidAccessKeyId|AuthorizationHeaderMalformed)$/,
    )
  await s3.send(new CreateBucketCommand({ Bucket: 'hostile', ObjectOwnership: 'ObjectWriter' }))
  const ID = await ownIdOf(s3)
  const grant = (Grantee: Omit<Grantee, 'Type'>, Type: Grantee['Type']) => {
    const AccessControlPolicy = {
      Owner: { ID },
      Grants: [{ Grantee: { ...Grantee, Type }, Permission: 'READ' as const }],
    }
    return codeOf(s3.send(new PutBucketAclCommand({ Bucket: 'hostile', AccessControlPolicy })))
  }
  for (const name of [...names, long]) {
    expect(await grant({ EmailAddress: name }, 'AmazonCustomerByEmail'), name).toMatch(
      /^(UnresolvableGrantByEmailAddress|MalformedXML|EntityTooLarge)$/,
    )
    expect(await grant({ ID: name }, 'CanonicalUser'), name).toMatch(/^(InvalidArgument|MalformedXML|EntityTooLarge)$/)
  }
  expect(await grant({ EmailAddress: 'bob@lab.example.test' }, 'AmazonCustomerByEmail')).toBe('OK')
  expect(await grant({ ID: canonicalIdOf(domain.seed.bob.guid) }, 'CanonicalUser')).toBe('OK')
})

test('metrics and log tell of the directory: its latency, answers from memory, lost access', async () => {
  await domain.addUser('leaver')
  const leaver = gateway.s3({ credentials: await gateway.createKey('leaver') })
  await soon(() => list(leaver), 'OK')
  await domain.administrator.disable('leaver')
  await soon(() => list(leaver), 'InvalidAccessKeyId')
  for (const name of [
    'causeway_directory_seconds_count{question="account",answered="yes"',
    'causeway_directory_seconds_count{question="position",answered="yes"',
    'causeway_directory_hits_total{',
    'causeway_directory_revocations_total{why="disabled"',
    'causeway_directory_answers{',
    'causeway_password_trials_total{outcome="right"',
  ])
    expect(await metric(gateway, name), name).toBeGreaterThan(0)
  const log = await readFile(join(gateway.directory, 'state/gateway.log'), 'utf8')
  expect(log).toMatch(/"userName":"leaver".*"why":"disabled".*"msg":"a user has lost access"/)
  expect(log).toMatch(/"question":"account","ms":[\d.]+,"answered":true,"msg":"the domain was asked"/)
  expect(log).toContain('"msg":"a user was known, the domain was not asked"')
})

/** The sum over the workers of what begins so. */
async function metric({ directory }: Instance, begin: string): Promise<number> {
  const url = (await readFile(join(directory, 'state/admin.url'), 'utf8')).trim()
  const lines = (await (await fetch(`${url}/metrics`)).text()).split('\n')
  return lines
    .filter((line) => line.startsWith(begin))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}

describe('a tree that is given to a group', () => {
  const ownersIn = async (s3: S3Client) => {
    const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket: 'theirs', Prefix: 'of-', FetchOwner: true }))
    return Contents?.map(({ Owner }) => Owner?.DisplayName)
  }

  test('lists its files as their users’, and whoever leaves the group is out', async () => {
    const { administrator } = domain
    await administrator.addGroup('team', ['alice'])
    const tree = join(gateway.tree, 'existing')
    await mkdir(tree)
    for (const [name, uid] of [
      ['of-frank', 20_006],
      ['of-nobody', 30_000],
    ] as const) {
      await writeFile(join(tree, name), name)
      await chown(join(tree, name), uid, 21_000)
    }
    expect(await gateway.causeway(['buckets', 'map', 'theirs', tree, '--owner', 'group:LAB\\team'])).toMatchObject({
      exitCode: 0,
    })
    expect((await gateway.causeway(['buckets', 'list'])).stdout).toMatch(/\ntheirs +group:team /)
    const s3 = as('alice')
    await vi.waitFor(async () => expect(await ownersIn(s3)).toEqual(['frank', 'uid-30000']), 5000)
    await administrator.removeMember('team', 'alice')
    await vi.waitFor(() => expect(ownersIn(s3)).rejects.toMatchObject({ name: 'AccessDenied' }), 3000)
    await administrator.addMember('team', 'alice')
    await vi.waitFor(() => ownersIn(s3), 5000)
  })
})

test('the gateways have met nothing unexpected', async () => {
  for (const instance of [gateway, strict]) expect(await instance.errors()).toEqual([])
})

test('no log, and no other file of a gateway, has a password, a secret, a token or the master key in it', async () => {
  expect(domain.secrets.size).toBeGreaterThan(40)
  for (const kind of ['password of svc', 'line 0 of the master key', 'token of a session of alice', 'wrong password 0'])
    expect(domain.secrets.get(kind), kind).toMatch(/./)
  for (const instance of [gateway, strict]) {
    expect(await instance.findLeaks()).toEqual([])
    // What is there is found, in each of the logs.
    const found = await instance.findLeaks(
      new Map([
        ['a request id', 'requestId'],
        ['ready', 'ready https://'],
      ]),
    )
    const logs = ['state/gateway.log', 'state/access.log'].map((name) => join(instance.directory, name))
    expect(found).toEqual(
      expect.arrayContaining([...logs, instance.auditFile].map((path) => `a request id in ${path}`)),
    )
    expect(found).toContainEqual(expect.stringMatching(/^ready in .*\/output$/))
    expect(existsSync(join(instance.directory, 'state/nginx/error.log'))).toBe(true)
  }
  await writeFile(
    join(gateway.directory, 'state/other.log'),
    `password=${encodeURIComponent(domain.seed.bob.password)}`,
  )
  expect(await gateway.findLeaks()).toEqual([`password of bob in ${join(gateway.directory, 'state/other.log')}`])
  await writeFile(join(gateway.directory, 'state/other.log'), '')
})
