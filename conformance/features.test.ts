/** The features around objects as their users meet them: boto3 and the aws cli, through https, nginx and the pool. */
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Instance, projectDirectory } from './instance.ts'
import { type SuiteUsers, suiteUsers } from './suite-users.ts'

let users: SuiteUsers
let instance: Instance
let work: string

beforeAll(async () => {
  for (const program of ['aws', 'python']) {
    const path = join(projectDirectory, '.venv/bin', program)
    expect(existsSync(path), `${path} is missing: run scripts/setup-conformance once`).toBe(true)
  }
  users = await suiteUsers()
  instance = await users.start()
  work = join(instance.directory, 'work')
  await mkdir(work)
}, 200_000)

afterAll(async () => {
  await instance?.stop()
  await users?.stop()
})

const environment = () => ({ ...instance.env, AWS_EC2_METADATA_DISABLED: 'true', HOME: work })

async function run(program: string, options: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const path = join(projectDirectory, '.venv/bin', program)
  const { exitCode, stdout, stderr } = await execa(path, options, {
    reject: false,
    stdin: 'ignore',
    timeout: 110_000,
    env: { ...environment(), ...env },
  })
  expect({ exitCode, stderr }, `${program} ${options.join(' ')}`).toEqual({ exitCode: 0, stderr: '' })
  return stdout
}

const s3 = (...options: readonly string[]) => run('aws', ['--endpoint-url', instance.endpoint, 's3', ...options])
const s3api = async (command: string, ...options: readonly string[]): Promise<Record<string, unknown>> =>
  JSON.parse((await run('aws', ['--endpoint-url', instance.endpoint, 's3api', command, ...options])) || '{}')

test('boto3: versions, tags, policies, ACLs, locks, rules, URLs, forms, resources and waiters', {
  timeout: 120_000,
}, async () => {
  const other = await instance.createKey('other')
  await run('python', [join(projectDirectory, 'conformance/features.py')], {
    OTHER_ACCESS_KEY_ID: other.accessKeyId,
    OTHER_SECRET_ACCESS_KEY: other.secretAccessKey,
  })
  expect(existsSync(join(instance.tree, 'features'))).toBe(false)
})

test('aws s3: sync --delete, mv, presign, rb --force', { timeout: 120_000 }, async () => {
  const tree = join(work, 'tree')
  await mkdir(tree)
  for (const name of ['a', 'b', 'c']) await writeFile(join(tree, name), `content of ${name}`)
  await s3('mb', 's3://everyday')
  await s3('sync', '--only-show-errors', tree, 's3://everyday/t/')
  await s3('mv', '--only-show-errors', 's3://everyday/t/a', 's3://everyday/t/moved')
  expect(await readFile(join(instance.tree, 'everyday/t/moved'), 'utf8')).toBe('content of a')
  await s3('sync', '--only-show-errors', '--delete', tree, 's3://everyday/t/')
  expect((await s3('ls', 's3://everyday/t/')).match(/\S+$/gm)).toEqual(['a', 'b', 'c'])
  expect(await s3('presign', 's3://everyday/t/a')).toMatch(/^https:\/\/.*Signature=/)
  await s3('rb', '--force', 's3://everyday')
  expect(existsSync(join(instance.tree, 'everyday'))).toBe(false)
})

test('aws s3api: versions, tags, policy and lock by hand; the files are those of the newest versions', {
  timeout: 120_000,
}, async () => {
  const bucket = ['--bucket', 'by-hand']
  await s3api('create-bucket', ...bucket, '--object-lock-enabled-for-bucket')
  expect(await s3api('get-bucket-versioning', ...bucket)).toEqual({ Status: 'Enabled' })
  const body = join(work, 'body')
  const ids: unknown[] = []
  for (const content of ['one', 'two']) {
    await writeFile(body, content)
    ids.push((await s3api('put-object', ...bucket, '--key', 'd/k', '--body', body)).VersionId)
  }
  expect(await readFile(join(instance.tree, 'by-hand/d/k'), 'utf8')).toBe('two')
  const { Versions } = await s3api('list-object-versions', ...bucket)
  expect(Versions).toMatchObject([{ VersionId: ids[1], IsLatest: true }, { VersionId: ids[0] }])
  const older = ['--key', 'd/k', '--version-id', String(ids[0])]
  await s3api('put-object-tagging', ...bucket, ...older, '--tagging', 'TagSet=[{Key=age,Value=old}]')
  expect(await s3api('get-object-tagging', ...bucket, ...older)).toMatchObject({
    TagSet: [{ Key: 'age', Value: 'old' }],
  })
  await s3api('put-object-legal-hold', ...bucket, ...older, '--legal-hold', 'Status=ON')
  expect(await s3api('get-object-legal-hold', ...bucket, ...older)).toEqual({ LegalHold: { Status: 'ON' } })
  const rule = 'ObjectLockEnabled=Enabled,Rule={DefaultRetention={Mode=GOVERNANCE,Days=1}}'
  await s3api('put-object-lock-configuration', ...bucket, '--object-lock-configuration', rule)
  await s3api('put-object', ...bucket, '--key', 'kept', '--body', body)
  expect(await s3api('get-object-retention', ...bucket, '--key', 'kept')).toMatchObject({
    Retention: { Mode: 'GOVERNANCE' },
  })
  expect(await s3api('get-bucket-acl', ...bucket)).toMatchObject({ Grants: [{ Permission: 'FULL_CONTROL' }] })
  expect(await s3api('get-public-access-block', ...bucket)).toMatchObject({
    PublicAccessBlockConfiguration: { BlockPublicAcls: true, RestrictPublicBuckets: true },
  })
})

test('the gateway has met nothing unexpected, and its tree fits the format', { timeout: 60_000 }, async () => {
  expect(await instance.errors()).toEqual([])
  expect(await instance.causeway(['check'])).toMatchObject({ exitCode: 0 })
})
