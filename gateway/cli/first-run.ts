/**
 * What a start finds or makes: directories, certificate, master key, and where the gateway keeps the users itself, a first user with
 * a key. Everything is looked at again on each start, so whatever was lost is made anew, except the master key of a tree in use.
 */
import { access, constants, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Config, splitAddress } from '../config.ts'
import { ensureCertificate, namesOfThisMachine } from './certificate.ts'
import { type ClientSettings, findClientEnv, writeClientEnv } from './client-env.ts'
import { CommandError, isErrno } from './command-error.ts'
import { expected } from './expected.ts'
import { ensureUser } from './keys.ts'
import type { Operator } from './operator.ts'
import type { Place } from './place.ts'

/** The first user of the local provider. */
const FIRST_USER = 'local'

/** Tree and state directory. Throws CommandError where one cannot be written. */
export async function ensureDirectories({ config, home }: Place): Promise<void> {
  await ensureDirectory(home, 0o755)
  await ensureDirectory(config.state.directory, 0o750)
  await ensureDirectory(config.namespace.root, 0o755)
}

/** The certificate of our own making, unless the configuration names another one. */
export async function ensureOwnCertificate(config: Config): Promise<void> {
  const files = certificateFiles(config)
  if (config.listen.https === '' || files === undefined) return
  await ensureCertificate(files, namesOfThisMachine(config.listen.domain), new Date())
}

/** client.env with a key that works; undefined where users come from elsewhere or an administrator has added the first one. */
export async function ensureClient(place: Place, operator: Operator): Promise<ClientSettings | undefined> {
  const { config } = place
  const path = clientEnvOf(place)
  const key = (await findWorkingKey(path, operator)) ?? (await makeFirstKey(operator))
  if (key === undefined) return undefined
  const client: ClientSettings = {
    endpoint: endpointOf(config),
    accessKeyId: key.accessKeyId,
    secretAccessKey: key.secret,
    region: config.s3.region,
    authority: config.listen.https === '' ? undefined : certificateFiles(config)?.authority,
  }
  await writeClientEnv(path, client)
  return client
}

export const clientEnvOf = (place: Place) => join(place.home, 'client.env')

/** By address, not by the name localhost: then clients choose path style of themselves. */
export function endpointOf({ listen, tls, state }: Config): string {
  const [scheme, address] = listen.https === '' ? ['http', listen.http] : ['https', listen.https]
  const { host, port } = splitAddress(address)
  const isOurs = tls.certificate.startsWith(`${state.directory}/`)
  if (scheme === 'https' && !isOurs && listen.domain !== undefined) return `https://${listen.domain}:${port}`
  const reached = { '0.0.0.0': '127.0.0.1', '::': '127.0.0.1' }[host] ?? host
  return `${scheme}://${reached.includes(':') ? `[${reached}]` : reached}:${port}`
}

function certificateFiles({ tls, state }: Config) {
  const isOurs = [tls.certificate, tls.key].every((path) => path.startsWith(`${state.directory}/`))
  return isOurs ? { authority: join(state.directory, 'ca.pem'), ...tls } : undefined
}

async function findWorkingKey(clientEnv: string, { directory: { keys } }: Operator) {
  const kept = await findClientEnv(clientEnv)
  const id = kept?.AWS_ACCESS_KEY_ID
  const key = id === undefined ? undefined : await keys.readKey(id)
  return key !== undefined && !key.disabled && key.secret === kept?.AWS_SECRET_ACCESS_KEY ? key : undefined
}

async function makeFirstKey(operator: Operator) {
  const users = await operator.directory.users.listUsers?.()
  if (users === undefined) return undefined
  if (users.length > 0 && !users.some(({ userName }) => userName === FIRST_USER)) return undefined
  await ensureUser(operator, FIRST_USER)
  return expected(() => operator.directory.keys.createKey(FIRST_USER))
}

async function ensureDirectory(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode })
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    if (!isErrno(error)) throw error
    throw new CommandError(
      SENTENCES[error.code]?.(path) ?? `${path} cannot be made (${error.code}); choose another directory.`,
      error,
    )
  }
}

const SENTENCES: Readonly<Record<string, (path: string) => string>> = {
  EACCES: (path) =>
    `${path} cannot be written by this account; give it the right, or choose another directory with --data.`,
  EROFS: (path) => `${path} is on a file system that is mounted read-only; choose another directory with --data.`,
  EEXIST: (path) => `${path} is a file, and a directory is needed there; choose another one with --data.`,
  ENOTDIR: (path) => `A file stands where ${path} needs a directory; choose another directory with --data.`,
  ENOSPC: (path) => `${path} cannot be made because the file system is full; make room.`,
}
