/** The procedure of README.md, "Backup and restore", step by step. */
import { randomBytes } from 'node:crypto'
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { rekeyMasterKey } from '#auth'
import { ensureDirectories } from './first-run.ts'
import { ensureUser } from './keys.ts'
import { type Operator, openOperator } from './operator.ts'
import { type Place, readPlace } from './place.ts'
import { sentenceOf } from './sentence.ts'

let directory: string
let place: Place

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'causeway-backup-'))
  place = readPlace({ data: join(directory, 'data') })
  await ensureDirectories(place)
})
afterEach(() => rm(directory, { recursive: true }))

const object = { bucket: 'photos', key: 'a/b.txt' }

async function working<Result>(work: (operator: Operator) => Promise<Result>): Promise<Result> {
  const operator = await openOperator(place)
  try {
    return await work(operator)
  } finally {
    await operator.close()
  }
}

/** A user, a key, a bucket, an object with metadata. */
const fill = () =>
  working(async (operator) => {
    const { canonicalId, displayName } = await ensureUser(operator, 'alice')
    const namespace = operator.namespace.as({ canonicalId, displayName })
    await namespace.buckets.create(object.bucket)
    const body = { bytes: bytesOf('bytes'), sizeBytes: 5, digests: [], verify: () => undefined }
    await namespace.objects.put(object, { headers: {}, metadata: { colour: 'blue' } }, body, {})
    return operator.directory.keys.createKey('alice')
  })

const anotherKey = () => working((operator) => operator.directory.keys.createKey('alice'))

async function* bytesOf(text: string) {
  yield Buffer.from(text)
}

/** What lies outside the tree, and `.causeway` in it. */
async function backUp(): Promise<void> {
  const { identity, namespace } = place.config
  const kept = join(directory, 'backup')
  await execa('mkdir', [kept])
  await execa('tar', ['-C', namespace.root, '-cf', join(kept, 'causeway.tar'), '.causeway'])
  await execa('cp', ['-p', identity.masterKeyFile, identity.usersFile, kept])
}

async function lose(): Promise<void> {
  const { identity, namespace } = place.config
  await rm(join(namespace.root, '.causeway'), { recursive: true })
  await rm(identity.masterKeyFile)
  await rm(identity.usersFile)
}

async function restore(): Promise<void> {
  const { identity, namespace, state } = place.config
  const kept = join(directory, 'backup')
  await execa('cp', ['-p', join(kept, 'master.key'), join(kept, 'users.toml'), state.directory])
  await execa('tar', ['-C', namespace.root, '-xpf', join(kept, 'causeway.tar')])
  expect([identity.masterKeyFile, identity.usersFile]).toEqual(
    ['master.key', 'users.toml'].map((name) => join(state.directory, name)),
  )
}

test('backed up, lost and restored: the key opens the same user, the object is what S3 wrote, the tree fits its format', async () => {
  const key = await fill()
  await backUp()
  await lose()
  await restore()
  await working(async ({ directory: users, namespace }) => {
    const found = await users.findByAccessKey(key.accessKeyId)
    expect(found?.secret).toBe(key.secret)
    expect(found?.identity.userName).toBe('alice')
    const buckets = await namespace.as(undefined).buckets.list()
    expect(buckets.map(({ name, owner }) => [name, owner.canonicalId])).toEqual([
      ['photos', found?.identity.canonicalId],
    ])
    const stat = await namespace.as(undefined).objects.stat(object)
    expect(stat).toMatchObject({
      foreign: false,
      eTag: '4b3a6218bb3e3a7303e8a171a60fcf92',
      metadata: { colour: 'blue' },
    })
    const findings = []
    for await (const finding of namespace.check({ repair: false })) findings.push(finding)
    expect(findings).toEqual([])
  })
})

/** As `causeway keys rekey`, with nobody serving. */
const rekey = () =>
  working(({ config, keysDirectory }) =>
    rekeyMasterKey({ masterKeyFile: config.identity.masterKeyFile, keysDirectory }),
  )

/** What opens is what the user was shown; the object is still believed. */
async function expectKeys(expected: readonly { readonly accessKeyId: string; readonly secret: string }[]) {
  await working(async ({ directory: users, namespace }) => {
    for (const { accessKeyId, secret } of expected) {
      expect((await users.findByAccessKey(accessKeyId))?.secret).toBe(secret)
    }
    expect(await namespace.as(undefined).objects.stat(object)).toMatchObject({
      foreign: false,
      metadata: { colour: 'blue' },
    })
  })
}

const rotate = (accessKeyId: string, overlapMs: number) =>
  working(async ({ directory: { keys } }) => {
    const made = await keys.rotateKey(accessKeyId, overlapMs)
    if (made === undefined) throw new Error('no key')
    return made
  })

test('rotated and rekeyed, then backed up, lost and restored: both keys open, each as long as was said', async () => {
  const old = await fill()
  const ended = await anotherKey()
  const made = await rotate(old.accessKeyId, 86_400_000)
  await rotate(ended.accessKeyId, 0)
  await rekey()
  await backUp()
  await lose()
  await restore()
  await expectKeys([old, made])
  await working(async ({ directory }) => {
    const { expires } = (await directory.keys.readKey(old.accessKeyId)) ?? {}
    expect((expires?.getTime() ?? 0) - Date.now()).toBeGreaterThan(86_400_000 - 600_000)
    expect(await directory.findByAccessKey(ended.accessKeyId)).toBeUndefined()
  })
})

test('a backup of .causeway from before a rekey opens with the master key of today', async () => {
  const key = await fill()
  await backUp()
  await rekey()
  const { root } = place.config.namespace
  await rm(join(root, '.causeway'), { recursive: true })
  await execa('tar', ['-C', root, '-xpf', join(directory, 'backup', 'causeway.tar')])
  await expectKeys([key])
  // And is sealed with it from the next rekey on.
  await rekey()
  await expectKeys([key])
})

test('with another master key the tree is refused in one sentence, and nothing in it changes', async () => {
  await fill()
  const { masterKeyFile } = place.config.identity
  const state = join(place.config.namespace.root, '.causeway')
  const before = await readdir(state, { recursive: true })
  await writeFile(masterKeyFile, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 })
  const error = await openOperator(place).catch((refused: unknown) => refused)
  expect(sentenceOf(error)).toMatch(/^The tree was written under another master key; restore [^\n]*\.$/)
  expect(await readdir(state, { recursive: true })).toEqual(before)
})

test('without its master key the tree is refused, and no new key is made', async () => {
  await fill()
  const { masterKeyFile } = place.config.identity
  await cp(masterKeyFile, join(directory, 'kept'))
  await rm(masterKeyFile)
  const error = await openOperator(place).catch((refused: unknown) => refused)
  expect(sentenceOf(error)).toMatch(/^The master key \S+ is missing, [^\n]*\.$/)
  expect(await readdir(place.config.state.directory)).not.toContain('master.key')
})
