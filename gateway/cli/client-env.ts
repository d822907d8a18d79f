/** DIR/client.env: after `set -a; . DIR/client.env` any AWS client talks to this gateway. */
import { readFile, rename, writeFile } from 'node:fs/promises'
import { isErrno } from './command-error.ts'

export type ClientSettings = {
  /** `https://127.0.0.1:8443`: by address, so that clients choose path style of themselves. */
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly region: string
  /** PEM file to trust; undefined where the certificate is not of our making. */
  readonly authority: string | undefined
}

/** The file's text. AWS's tools read these names; NODE_EXTRA_CA_CERTS is what the JavaScript SDK has for AWS_CA_BUNDLE. */
export function renderClientEnv(client: ClientSettings): string {
  const variables = {
    AWS_ENDPOINT_URL: client.endpoint,
    AWS_ACCESS_KEY_ID: client.accessKeyId,
    AWS_SECRET_ACCESS_KEY: client.secretAccessKey,
    AWS_REGION: client.region,
    AWS_DEFAULT_REGION: client.region,
    AWS_CA_BUNDLE: client.authority,
    NODE_EXTRA_CA_CERTS: client.authority,
  }
  return Object.entries(variables)
    .filter((entry): entry is [string, string] => entry[1] !== undefined)
    .map(([name, value]) => `${name}=${quote(value)}\n`)
    .join('')
}

/** Written aside and renamed, mode 0600. */
export async function writeClientEnv(path: string, client: ClientSettings): Promise<void> {
  await writeFile(`${path}.new`, renderClientEnv(client), { mode: 0o600 })
  await rename(`${path}.new`, path)
}

/** Name → value of a file that renderClientEnv made; undefined when there is none. */
export async function findClientEnv(path: string): Promise<Readonly<Record<string, string>> | undefined> {
  try {
    const lines = (await readFile(path, 'utf8')).split('\n')
    return Object.fromEntries(lines.map((line) => /^([A-Z_]+)=(.*)$/.exec(line)).flatMap((found) => entryOf(found)))
  } catch (error) {
    if (isErrno(error) && error.code === 'ENOENT') return undefined
    throw error
  }
}

function entryOf(found: RegExpExecArray | null): [string, string][] {
  const [, name, value] = found ?? []
  return name === undefined || value === undefined ? [] : [[name, unquote(value)]]
}

// Only where the shell needs it: docker's --env-file and systemd's EnvironmentFile do not all understand quotes.
function quote(value: string): string {
  return /^[\w@%+=:,./-]*$/.test(value) ? value : `'${value.replaceAll("'", String.raw`'\''`)}'`
}

function unquote(value: string): string {
  return value.startsWith("'") ? value.slice(1, -1).replaceAll(String.raw`'\''`, "'") : value
}
