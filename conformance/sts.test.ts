/** Temporary keys for a directory password, through https, nginx and the pool: boto3, the aws cli, and a second gateway of the tree. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ListBucketsCommand } from '@aws-sdk/client-s3'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openSessions, readMasterKey } from '../auth/auth.ts'
import { type Instance, projectDirectory } from './instance.ts'
import { type SuiteUser, type SuiteUsers, suiteUsers } from './suite-users.ts'

const password = 'Open +sesame&=%ä'

let users: SuiteUsers
let instance: Instance
let second: Instance
let dora: SuiteUser
const secrets: string[] = [
  password,
  encodeURIComponent(password),
  new URLSearchParams({ password }).toString().slice(9),
]

beforeAll(async () => {
  for (const program of ['aws', 'python']) {
    const path = join(projectDirectory, '.venv/bin', program)
    expect(existsSync(path), `${path} is missing: run scripts/setup-conformance once`).toBe(true)
  }
  const config = { limits: { password_trials_per_minute: 3 }, log: { level: 'debug' } }
  users = await suiteUsers()
  instance = await users.start({ config })
  second = await users.start({ beside: instance })
  dora = await users.add(instance, 'dora', password)
}, 200_000)

afterAll(async () => {
  await second?.stop()
  await instance?.stop()
  await users?.stop()
})

/** STS gives none that is so short; but whoever has the master key makes the same. */
async function session(seconds: number) {
  const sessions = openSessions(await readMasterKey(join(instance.directory, 'state/master.key')))
  const expires = new Date(Date.now() + seconds * 1000)
  const made = sessions.create({ userId: dora.id, canonicalId: dora.canonicalId, expires, policy: undefined })
  secrets.push(made.secret, made.token)
  return { ...made, expires }
}

async function run(program: string, options: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { exitCode, stdout, stderr } = await execa(join(projectDirectory, '.venv/bin', program), options, {
    reject: false,
    stdin: 'ignore',
    timeout: 110_000,
    env: { ...instance.env, AWS_EC2_METADATA_DISABLED: 'true', HOME: instance.directory, ...env },
  })
  expect({ exitCode, stderr }, `${program} ${options.join(' ')}`).toEqual({ exitCode: 0, stderr: '' })
  return stdout
}

const environmentOf = ({ accessKeyId, secret, token }: Awaited<ReturnType<typeof session>>, prefix: string) => ({
  [`${prefix}_ACCESS_KEY_ID`]: accessKeyId,
  [`${prefix}_SECRET_ACCESS_KEY`]: secret,
  [`${prefix}_SESSION_TOKEN`]: token,
})

test('boto3 assumes, lists, is refused by its session policy, by a changed token and after its time, and is throttled', {
  timeout: 120_000,
}, async () => {
  const short = await session(20)
  const said = await run('python', [join(projectDirectory, 'conformance/sts.py')], {
    ...environmentOf(short, 'SHORT'),
    SHORT_EXPIRES: String(short.expires.getTime() / 1000),
    STS_USER: dora.userName,
    STS_PASSWORD: password,
  })
  secrets.push(...JSON.parse(said))
  expect(await readFile(join(instance.tree, 'sts/a'), 'utf8')).toBe('by a session')
})

test('aws sts get-caller-identity says who it is, with a permanent key and with a temporary one', {
  timeout: 60_000,
}, async () => {
  const ask = async (env = {}) =>
    JSON.parse(await run('aws', ['--endpoint-url', instance.endpoint, 'sts', 'get-caller-identity'], env))
  expect(await ask()).toMatchObject({ Arn: expect.stringMatching(/^arn:aws:iam::[0-9a-f]{64}:user\/./) })
  expect(await ask(environmentOf(await session(60), 'AWS'))).toEqual({
    UserId: dora.canonicalId,
    Account: dora.canonicalId,
    Arn: `arn:aws:iam::${dora.canonicalId}:user/dora`,
  })
})

test('a session holds on every gateway of the tree, and ends on all of them when its user is disabled', {
  timeout: 60_000,
}, async () => {
  const { accessKeyId, secret, token } = await session(60)
  const credentials = { accessKeyId, secretAccessKey: secret, sessionToken: token }
  const clients = [instance, second].map((one) => one.s3({ credentials }))
  /** Of several connections, so that more than one worker is asked. */
  const asked = () =>
    Promise.all(
      clients.flatMap((client) =>
        Array.from({ length: 4 }, () =>
          client.send(new ListBucketsCommand({})).then(
            () => 'listed',
            (error: Error) => error.name,
          ),
        ),
      ),
    )
  expect(await asked()).toEqual(Array(8).fill('listed'))
  await users.disable(instance, 'dora')
  await sleep(3000)
  expect(await asked()).toEqual(Array(8).fill('InvalidAccessKeyId'))
})

test('no log of the gateway or of nginx has a password, a secret or a token in it', async () => {
  expect(secrets.length).toBeGreaterThan(8)
  for (const name of ['gateway.log', 'access.log', 'nginx/error.log']) {
    const log = await readFile(join(instance.directory, 'state', name), 'utf8')
    if (name !== 'nginx/error.log') expect(log, name).toContain('requestId')
    if (name === 'access.log') expect(log).toContain('"target":"/?-"')
    expect(
      secrets.filter((secret) => log.includes(secret)),
      name,
    ).toEqual([])
  }
  expect(await instance.errors()).toEqual([])
})
