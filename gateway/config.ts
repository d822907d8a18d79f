/**
 * One schema (config-schema.ts), one TOML file, validated once and frozen; the only reader of the environment.
 * The rest of the gateway gets parts: config.s3, config.namespace …
 *
 *     defaults < TOML file < environment (CAUSEWAY_<SECTION>_<KEY>) < overrides (the command line)
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parse, stringify, TomlError } from 'smol-toml'
import { Value } from 'typebox/value'
import { type ConfigInFile, ConfigSchema, type Setting, settings } from './config-schema.ts'

type Camel<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : Name
type Camelled<Section> = { readonly [Key in keyof Section as Key extends string ? Camel<Key> : never]: Section[Key] }
type Derived = {
  /** Absolute paths, always set. */
  readonly tls: { readonly certificate: string; readonly key: string }
  readonly identity: { readonly masterKeyFile: string; readonly usersFile: string }
  readonly log: { readonly accessFile: string }
}

/**
 * The whole configuration: sections and keys of config-schema.ts in camelCase. Paths are absolute; a relative one in the file counts
 * from the file's directory, elsewhere from the working directory. Plain JSON, so that the pool can send it to a worker.
 */
export type Config = {
  readonly [Section in keyof ConfigInFile]: Camelled<ConfigInFile[Section]> &
    (Section extends keyof Derived ? Derived[Section] : unknown)
}

/** What an operation may know of the configuration. */
export type S3Config = Pick<
  Config['s3'],
  'region' | 'sigv2Post' | 'objectOwnership' | 'publicAccessBlock' | 'accountPublicAccessBlock'
> &
  Pick<Config['namespace'], 'encryptedAtRest'> &
  Pick<Config['identity'], 'sessionSecondsMax'>

/** Like the file, any part of it: `{ listen: { https: '127.0.0.1:9443' } }`. Keys as in the file; undefined ones are left alone. */
export type ConfigOverrides = {
  readonly [Section in keyof ConfigInFile]?: {
    readonly [Key in keyof ConfigInFile[Section]]?: ConfigInFile[Section][Key] | undefined
  }
}

type Environment = Readonly<Record<string, string | undefined>>
type Sections = Record<string, Record<string, unknown>>

/** What is wrong with a configuration: one sentence each, naming the key, the value and what would be right. */
export class ConfigError extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.name = 'ConfigError'
    this.problems = problems
  }
}

/** Unix socket paths end at 107 bytes; the longest name put there is `/sockets/worker-255.sock`. */
const STATE_DIRECTORY_MAX_BYTES = 107 - '/sockets/worker-255.sock'.length

/**
 * Reads `path` (or the file named by CAUSEWAY_CONFIG; without either the embedded default: everything under ./data).
 * Throws ConfigError.
 */
export function loadConfig(
  path: string | undefined,
  overrides: ConfigOverrides = {},
  environment: Environment = process.env,
): Config {
  const file = path ?? environment.CAUSEWAY_CONFIG
  const problems: string[] = []
  const merged: Sections = {}
  merge(
    merged,
    file === undefined ? {} : readSections(file),
    file === undefined ? undefined : dirname(resolve(file)),
    problems,
  )
  merge(merged, readEnvironment(environment, problems), undefined, problems)
  merge(merged, overrides, undefined, problems)
  for (const setting of settings()) {
    const section = sectionOf(merged, setting.section)
    if (setting.fallback !== undefined && section[setting.key] === undefined) section[setting.key] = fallbackOf(setting)
  }
  if (problems.length > 0) throw new ConfigError(problems)
  const config = derive(merged)
  const conflicts = conflictsIn(config)
  if (conflicts.length > 0) throw new ConfigError(conflicts)
  return deepFreeze(config)
}

/** The overrides that keep everything (tree, state, certificate, users) under one directory. */
export function underDataDirectory(directory: string): ConfigOverrides {
  return { namespace: { root: resolve(directory, 'tree') }, state: { directory: resolve(directory, 'state') } }
}

/** "127.0.0.1:8080" → { host: '127.0.0.1', port: 8080 }; "[::1]:80" → { host: '::1', port: 80 }. */
export function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(':')
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) }
}

/** One line per setting: key, default, meaning. */
export function explainConfig(): string {
  const rows = settings().map((setting) => [
    `${setting.section}.${setting.key}`,
    setting.fallback === undefined ? '(unset)' : JSON.stringify(setting.fallback),
    `${setting.description} Right: ${setting.expected}.`,
  ])
  const table = [['key', 'default', 'meaning'], ...rows]
  const width = (column: number) => Math.max(...table.map((row) => row[column]?.length ?? 0))
  const [keys, defaults] = [width(0), width(1)]
  return `${table.map(([key = '', value = '', meaning = '']) => `${key.padEnd(keys)}  ${value.padEnd(defaults)}  ${meaning}`).join('\n')}\n`
}

/** causeway.example.toml: every key with its default. */
export function exampleToml(): string {
  const sections = Object.entries(ConfigSchema.properties).map(([section, schema]) => {
    const keys = settings()
      .filter((setting) => setting.section === section)
      .map((setting) => {
        const shown = stringify({ [setting.key]: setting.fallback ?? setting.example ?? '' }).trim()
        return `# ${setting.description}\n${setting.fallback === undefined ? '# ' : ''}${shown}\n`
      })
    const { description } = schema as { description?: string } // typebox keeps the option, its type does not
    return `# --- ${description ?? ''}\n[${section}]\n${keys.join('\n')}`
  })
  const head =
    '# Every setting of Causeway with its default. Generated: node gateway/config.ts --example > gateway/causeway.example.toml\n' +
    '# Relative paths count from the directory of this file. CAUSEWAY_<SECTION>_<KEY> in the environment overrides a setting.\n'
  return `${head}\n${sections.join('\n').trimEnd()}\n`
}

function readSections(file: string): Sections {
  if (!existsSync(file))
    throw new ConfigError([`The configuration file ${file} does not exist; give the path of a TOML file.`])
  try {
    const parsed = parse(readFileSync(file, 'utf8'))
    for (const [name, value] of Object.entries(parsed)) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        throw new ConfigError([
          `${name} is ${JSON.stringify(value)} outside any section in ${file}; put it below a section such as [listen].`,
        ])
      }
    }
    return parsed as Sections // every value has just been seen to be a table
  } catch (error) {
    if (error instanceof TomlError) {
      const reason = error.message.split('\n')[0]
      throw new ConfigError([`${file} is not TOML at line ${error.line}, column ${error.column}: ${reason}.`])
    }
    if (error instanceof ConfigError) throw error
    throw new ConfigError([`${file} cannot be read (${error instanceof Error ? error.message : error}).`])
  }
}

/** CAUSEWAY_POOL_WORKERS=2 → { pool: { workers: 2 } }; values as in TOML, bare words are strings. */
function readEnvironment(environment: Environment, problems: string[]): Sections {
  const found: Sections = {}
  for (const [name, value] of Object.entries(environment)) {
    const match = /^CAUSEWAY_([A-Z0-9]+)_([A-Z0-9_]+)$/.exec(name)
    const section = match?.[1]?.toLowerCase() ?? ''
    const key = match?.[2]?.toLowerCase() ?? ''
    if (value === undefined || !(section in ConfigSchema.properties)) continue
    const setting = settings().find((candidate) => candidate.section === section && candidate.key === key)
    if (setting === undefined) problems.push(`${name} in the environment names no setting; ${known(section)}.`)
    else found[section] = { ...found[section], [key]: fromText(value, setting) }
  }
  return found
}

function fromText(value: string, setting: Setting): unknown {
  if (Value.Check(setting.schema, value)) return value
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}

/** Later sources win. What does not fit is told, not merged. */
function merge(
  into: Sections,
  from: Readonly<Record<string, unknown>>,
  baseDirectory: string | undefined,
  problems: string[],
) {
  const all = settings()
  for (const [section, values] of Object.entries(from)) {
    if (!(section in ConfigSchema.properties)) {
      problems.push(
        `[${section}] is not a section; the sections are ${Object.keys(ConfigSchema.properties).join(', ')}.`,
      )
      continue
    }
    for (const [key, value] of Object.entries(values ?? {})) {
      if (value === undefined) continue
      const setting = all.find((candidate) => candidate.section === section && candidate.key === key)
      if (setting === undefined) problems.push(`${section}.${key} is not a setting; ${known(section)}.`)
      else if (!Value.Check(setting.schema, value)) {
        problems.push(`${section}.${key} is ${JSON.stringify(value)}; it must be ${setting.expected}.`)
      } else {
        sectionOf(into, section)[key] = isPath(setting) ? resolve(baseDirectory ?? '.', String(value)) : value
      }
    }
  }
}

function sectionOf(sections: Sections, name: string): Record<string, unknown> {
  sections[name] ??= {}
  return sections[name]
}

const isPath = (setting: Setting) => /\bpath of\b/.test(setting.expected)
const fallbackOf = (setting: Setting) => (isPath(setting) ? resolve(String(setting.fallback)) : setting.fallback)

function known(section: string): string {
  const keys = settings().filter((setting) => setting.section === section)
  return `[${section}] has ${keys.map((setting) => setting.key).join(', ')}`
}

/** Names in camelCase, paths that follow from the state directory. */
function derive(merged: Sections): Config {
  const state = String(merged.state?.directory)
  const derived: Sections = {
    tls: { certificate: join(state, 'certificate.pem'), key: join(state, 'certificate.key') },
    identity: { master_key_file: join(state, 'master.key'), users_file: join(state, 'users.toml') },
    log: { access_file: join(state, 'access.log') },
  }
  const camelled = Object.entries(merged).map(([section, values]) => [
    section,
    Object.fromEntries(Object.entries({ ...derived[section], ...values }).map(([key, value]) => [camel(key), value])),
  ])
  return Object.fromEntries(camelled) as Config // every value has passed its schema, every default is filled in
}

const camel = (name: string) => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())

const NEEDED_OF_A_DOMAIN: ReadonlySet<string> = new Set([
  'servers',
  'ca_file',
  'base_dn',
  'bind_dn',
  'bind_password_file',
])

/** What each value alone cannot show. */
function conflictsIn(config: Config): string[] {
  const { listen, namespace, state, identity } = config
  const problems: string[] = []
  if (listen.https === '' && listen.http === '') {
    problems.push('listen.https and listen.http are both ""; give at least one an address such as "0.0.0.0:8443".')
  }
  for (const [key, address] of Object.entries({ https: listen.https, http: listen.http, admin: config.admin.listen })) {
    if (address !== '' && splitAddress(address).port > 65_535) {
      problems.push(
        `${key === 'admin' ? 'admin.listen' : `listen.${key}`} is "${address}"; the port must be at most 65535.`,
      )
    }
  }
  if (listen.https !== '' && listen.https === listen.http) {
    problems.push(`listen.https and listen.http are both "${listen.https}"; give them different ports.`)
  }
  if (listen.proxyProtocol && listen.trustedProxies.length === 0) {
    problems.push('listen.proxy_protocol is true but listen.trusted_proxies is empty; name the load balancers there.')
  }
  if (identity.sidRangeMax - identity.sidRangeMin < identity.sidSliceSize) {
    problems.push(
      `identity.sid_range_max is ${identity.sidRangeMax}; it must be at least sid_slice_size above sid_range_min, which makes ${identity.sidRangeMin + identity.sidSliceSize}.`,
    )
  }
  if (identity.rfc2307IdMax < identity.rfc2307IdMin) {
    problems.push(
      `identity.rfc2307_id_max is ${identity.rfc2307IdMax}; it must not be below rfc2307_id_min, which is ${identity.rfc2307IdMin}.`,
    )
  }
  problems.push(...conflictsOfKernel(identity))
  const outside = {
    'state.directory': state.directory,
    'identity.master_key_file': identity.masterKeyFile,
    'identity.users_file': identity.usersFile,
    'identity.ca_file': identity.caFile,
    'identity.bind_password_file': identity.bindPasswordFile,
    'tls.key': config.tls.key,
    'log.audit_file': config.log.auditFile,
  }
  for (const root of [namespace.root, ...namespace.roots]) {
    for (const [key, path] of Object.entries(outside)) {
      if (path !== undefined && (path === root || path.startsWith(`${root}/`))) {
        problems.push(`${key} is ${path}, inside the served tree ${root}; choose a path outside it.`)
      }
    }
  }
  if (identity.provider === 'active-directory') {
    for (const { section, key, fallback, example } of settings()) {
      if (section !== 'identity' || !NEEDED_OF_A_DOMAIN.has(key)) continue
      const value: unknown = identity[camel(key) as keyof Config['identity']]
      if (value !== undefined && String(value) !== '') continue
      const shown = JSON.stringify(fallback === undefined ? example : ['ldaps://dc1.example.com'])
      problems.push(
        `identity.${key} is not set, and identity.provider "active-directory" needs it; give it a value such as ${shown}.`,
      )
    }
  }
  const stateBytes = Buffer.byteLength(state.directory)
  if (stateBytes > STATE_DIRECTORY_MAX_BYTES) {
    problems.push(
      `state.directory is ${stateBytes} bytes long; unix sockets lie in it, so choose a path of at most ${STATE_DIRECTORY_MAX_BYTES} bytes.`,
    )
  }
  return problems
}

/** With enforcement "kernel" whoever asks is a uid: each user needs one, and nobody's may be somebody's. */
function conflictsOfKernel(identity: Config['identity']): readonly string[] {
  const { enforcement, provider, posixIds, anonymousUid, sidRangeMin, sidRangeMax } = identity
  if (enforcement !== 'kernel' || provider !== 'active-directory') return []
  if (posixIds === 'none') {
    return [
      'identity.posix_ids is "none", so no user of the domain has a uid, and identity.enforcement "kernel" needs one; give it the value "sid" or "rfc2307".',
    ]
  }
  if (posixIds === 'sid' && anonymousUid >= sidRangeMin && anonymousUid < sidRangeMax) {
    return [
      `identity.anonymous_uid is ${anonymousUid}, which may be a user's; choose one outside of sid_range_min to sid_range_max, which are ${sidRangeMin} and ${sidRangeMax}.`,
    ]
  }
  return []
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) deepFreeze(inner)
  }
  return value
}

if (import.meta.main) {
  process.stdout.write(process.argv.includes('--example') ? exampleToml() : explainConfig())
}
