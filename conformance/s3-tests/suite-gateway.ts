import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'

/** A gateway with the three users of the suite, and the suite's configuration for it. */
export type SuiteGateway = {
  readonly directory: string
  /** Path of the file that S3TEST_CONF names. */
  readonly configuration: string
  /** Path of the certificate authority, in PEM. */
  readonly authority: string
  stop(): Promise<void>
}

const project = join(import.meta.dirname, '../..')

const users = ['main', 'alt', 'tenant'] as const
type User = {
  readonly name: string
  readonly canonicalId: string
  readonly accessKeyId: string
  readonly secret: string
}

type SuiteOptions = {
  readonly scheme: 'http' | 'https'
  /** The one that clients sign for. */
  readonly region: string
  /** A tree to be served, a mount for example, which stays when the gateway goes; default: one of its own. */
  readonly root?: string | undefined
}

export async function startSuiteGateway({ scheme, region, root }: SuiteOptions): Promise<SuiteGateway> {
  const directory = await mkdtemp(join(tmpdir(), 'causeway-s3-tests-'))
  const [https, http] = [await freePort(), await freePort()]
  await writeUsers(directory)
  const config = join(directory, 'causeway.toml')
  await writeFile(
    config,
    `[listen]\nhttps = "127.0.0.1:${https}"\nhttp = "127.0.0.1:${http}"\n[s3]\nregion = "${region}"\nsigv2_post = true\nprecheck_min_bytes = 0\nobject_ownership = "none"\npublic_access_block = false\nlifecycle_day = "2s"\n${elsewhere(root, directory)}`,
  )
  const place = ['--config', config, ...(root === undefined ? ['--data', directory] : [])]
  await execa(join(project, 'scripts/start'), [...place, '--detach'], { stdio: ['ignore', 'inherit', 'inherit'] })
  const known: User[] = []
  for (const name of users) known.push(await makeKey(name, place))
  const configuration = join(directory, 's3tests.conf')
  await writeFile(configuration, suiteConfiguration({ scheme, region }, scheme === 'http' ? http : https, known))
  return {
    directory,
    configuration,
    authority: join(directory, 'state/ca.pem'),
    async stop() {
      await execa(join(project, 'scripts/stop'), place, { stdio: ['ignore', 'inherit', 'inherit'] })
      await rm(directory, { recursive: true, force: true })
    },
  }
}

const elsewhere = (root: string | undefined, directory: string): string =>
  root === undefined ? '' : `[namespace]\nroot = "${root}"\n[state]\ndirectory = "${join(directory, 'state')}"\n`

const canonicalIdOf = (name: string): string => Buffer.from(name.padEnd(32, '.')).toString('hex')

async function writeUsers(directory: string): Promise<void> {
  const entry = (name: string): string =>
    `[[users]]\nname = "${name}"\ndisplay_name = "${name}-display"\ncanonical_id = "${canonicalIdOf(name)}"\nemail = "${name}@lab.example.test"\n`
  await mkdir(join(directory, 'state'), { recursive: true })
  await writeFile(join(directory, 'state/users.toml'), users.map(entry).join('\n'), { mode: 0o600 })
}

async function makeKey(name: string, place: readonly string[]): Promise<User> {
  const { stdout } = await execa(join(project, 'scripts/causeway'), ['keys', 'create', name, ...place], {
    stdin: 'ignore',
  })
  const value = (key: string): string => new RegExp(`^${key}=(.+)$`, 'm').exec(stdout)?.[1] ?? ''
  return {
    name,
    canonicalId: canonicalIdOf(name),
    accessKeyId: value('AWS_ACCESS_KEY_ID'),
    secret: value('AWS_SECRET_ACCESS_KEY'),
  }
}

function suiteConfiguration({ scheme, region }: SuiteOptions, port: number, known: readonly User[]): string {
  const section = (title: string, lines: Record<string, string | number>): string =>
    `[${title}]\n${Object.entries(lines)
      .map(([key, value]) => `${key} = ${value}\n`)
      .join('')}`
  const credentials = ({ name, canonicalId, accessKeyId, secret }: User): Record<string, string> => ({
    display_name: `${name}-display`,
    user_id: canonicalId,
    email: `${name}@lab.example.test`,
    access_key: accessKeyId,
    secret_key: secret,
  })
  const dummy = (name: string): Record<string, string> => ({
    ...credentials({
      name,
      canonicalId: name,
      accessKeyId: `DUMMY${name.toUpperCase().padEnd(15, '0')}`,
      secret: 'dummy',
    }),
  })
  return [
    section('DEFAULT', {
      host: 'localhost',
      port,
      is_secure: scheme === 'https' ? 'True' : 'False',
      ssl_verify: 'False',
    }),
    section('fixtures', { 'bucket prefix': 'cw-{random}-' }),
    ...known.map((user) =>
      section(`s3 ${user.name}`, {
        ...credentials(user),
        ...(user.name === 'tenant' ? { tenant: 'unused' } : {}),
        ...(user.name === 'main' ? { lc_debug_interval: 2, ...placeOf(region) } : {}),
      }),
    ),
    section('iam', dummy('iam')),
    section('iam root', dummy('iamroot')),
    section('iam alt root', dummy('iamaltroot')),
  ].join('\n')
}

/**
 * What the suite names when it makes a bucket by the name of its place, to ask for that name afterwards. us-east-1 is the one that must not be
 * named: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
 */
const placeOf = (region: string): Record<string, string> => (region === 'us-east-1' ? {} : { api_name: region })

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
