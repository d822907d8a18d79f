import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'smol-toml'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConfigError, exampleToml, explainConfig, loadConfig, splitAddress, underDataDirectory } from './config.ts'
import { settings } from './config-schema.ts'

let directory: string
let file: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'config-'))
  file = join(directory, 'causeway.toml')
})
afterEach(() => rmSync(directory, { recursive: true }))

const load = (toml: string, environment = {}) => {
  writeFileSync(file, toml)
  return loadConfig(file, {}, environment)
}

const problemsOf = (action: () => unknown): readonly string[] => {
  try {
    action()
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

describe('a configuration', () => {
  it('without a file is the embedded default: everything below ./data', () => {
    const config = loadConfig(undefined, {}, {})
    expect(config.listen).toEqual({
      https: '0.0.0.0:8443',
      http: '',
      http2: false,
      proxyProtocol: false,
      trustedProxies: [],
    })
    expect(config.namespace).toMatchObject({
      root: join(process.cwd(), 'data/tree'),
      durability: 'strict',
      directoriesMax: 512,
    })
    expect(config.state.directory).toBe(join(process.cwd(), 'data/state'))
    expect(config.identity.masterKeyFile).toBe(join(process.cwd(), 'data/state/master.key'))
    expect(config.tls.certificate).toBe(join(process.cwd(), 'data/state/certificate.pem'))
  })

  it('takes the file over the defaults, the environment over the file, the overrides over all', () => {
    writeFileSync(file, '[s3]\nregion = "eu-west-1"\n[pool]\nworkers = 3\ndrain_seconds = 7\n[log]\nlevel = "warn"\n')
    const environment = {
      CAUSEWAY_POOL_WORKERS: '5',
      CAUSEWAY_LOG_LEVEL: 'debug',
      CAUSEWAY_OTHER_THING: 'x',
      PATH: '/',
    }
    const config = loadConfig(file, { log: { level: 'error' }, pool: { drain_seconds: undefined } }, environment)
    expect(config.s3.region).toBe('eu-west-1')
    expect(config.pool).toEqual({ workers: 5, drainSeconds: 7 })
    expect(config.log.level).toBe('error')
  })

  it('finds its file by CAUSEWAY_CONFIG as well', () => {
    writeFileSync(file, '[s3]\nregion = "eu-west-1"\n')
    expect(loadConfig(undefined, {}, { CAUSEWAY_CONFIG: file }).s3.region).toBe('eu-west-1')
  })

  it('counts relative paths from the directory of the file', () => {
    const config = load('[namespace]\nroot = "tree"\n[state]\ndirectory = "../state"\n[tls]\nkey = "/etc/k.pem"\n')
    expect(config.namespace.root).toBe(join(directory, 'tree'))
    expect(config.state.directory).toBe(join(tmpdir(), 'state'))
    expect(config.tls.key).toBe('/etc/k.pem')
  })

  it('enforces as the service account unless told otherwise, with names for what kernel needs', () => {
    expect(load('').identity).toMatchObject({
      enforcement: 'service',
      fileMode: '0644',
      anonymousUid: 65_534,
      anonymousGid: 65_534,
    })
    const kernel = '[identity]\nenforcement = "kernel"\nfile_mode = "0660"\nanonymous_uid = 99\nanonymous_gid = 98\n'
    expect(load(kernel).identity).toMatchObject({
      enforcement: 'kernel',
      fileMode: '0660',
      anonymousUid: 99,
      anonymousGid: 98,
    })
  })

  it('cannot be changed afterwards, at any depth', () => {
    const config = loadConfig(undefined, { listen: { trusted_proxies: ['10.0.0.1'] } }, {})
    for (const part of [config, config.s3, config.listen.trustedProxies]) expect(Object.isFrozen(part)).toBe(true)
  })

  it('is plain JSON, so that the pool can hand it to a worker', () => {
    const config = loadConfig(undefined, underDataDirectory('/srv/causeway'), {})
    expect(JSON.parse(JSON.stringify(config))).toEqual(config)
    expect(config.namespace.root).toBe('/srv/causeway/tree')
  })
})

const DOMAIN = `[identity]
provider = "active-directory"
ca_file = "/etc/ca.pem"
base_dn = "DC=example,DC=com"
bind_dn = "causeway@example.com"
bind_password_file = "/etc/password"
`

describe('a mistake is one sentence with the key, the value and what would be right', () => {
  it.each([
    ['[namespace]\ndurability = "fast"', 'namespace.durability is "fast"; it must be one of "strict", "relaxed".'],
    [
      '[namespace]\ndurabilty = "strict"',
      'namespace.durabilty is not a setting; [namespace] has root, roots, publish_root, durability, directories_max, encrypted_at_rest, linked_file_uids, threads, call_timeout_seconds.',
    ],
    [
      '[listn]\nhttps = ""',
      '[listn] is not a section; the sections are listen, tls, namespace, identity, s3, pool, limits, admin, log, state.',
    ],
    ['region = "x"', `region is "x" outside any section in FILE; put it below a section such as [listen].`],
    [
      '[identity]\nsession_seconds_max = 604801',
      'identity.session_seconds_max is 604801; it must be a whole number from 900 to 604800.',
    ],
    ['[pool]\nworkers = 0', 'pool.workers is 0; it must be "auto" or a whole number from 1 to 256.'],
    ['[pool]\nworkers = "two"', 'pool.workers is "two"; it must be "auto" or a whole number from 1 to 256.'],
    [
      '[listen]\nhttps = "8443"',
      'listen.https is "8443"; it must be an address and port such as "0.0.0.0:8443" or "[::]:8443", or "".',
    ],
    ['[listen]\nhttps = "0.0.0.0:99999"', 'listen.https is "0.0.0.0:99999"; the port must be at most 65535.'],
    [
      '[listen]\nhttps = ""',
      'listen.https and listen.http are both ""; give at least one an address such as "0.0.0.0:8443".',
    ],
    [
      '[listen]\nproxy_protocol = true',
      'listen.proxy_protocol is true but listen.trusted_proxies is empty; name the load balancers there.',
    ],
    [
      '[listen]\ndomain = "S3.example.com"',
      'listen.domain is "S3.example.com"; it must be a host name in lower case such as "s3.example.com".',
    ],
    ['[identity]\nprovider = "ldap"', 'identity.provider is "ldap"; it must be one of "local", "active-directory".'],
    [
      '[identity]\nservers = ["ldap://dc1.example.com"]',
      'identity.servers is ["ldap://dc1.example.com"]; it must be a list of URLs such as ["ldaps://dc1.example.com", "ldaps://dc2.example.com"].',
    ],
    [
      `${DOMAIN}servers = []`,
      'identity.servers is not set, and identity.provider "active-directory" needs it; give it a value such as ["ldaps://dc1.example.com"].',
    ],
    [
      DOMAIN.replace(/base_dn.*/, 'servers = ["ldaps://dc1.example.com:636"]'),
      'identity.base_dn is not set, and identity.provider "active-directory" needs it; give it a value such as "DC=example,DC=com".',
    ],
    [
      `${DOMAIN.replace('/etc/password', '/srv/tree/password')}servers = ["ldaps://[::1]"]\n[namespace]\nroot = "/srv/tree"`,
      'identity.bind_password_file is /srv/tree/password, inside the served tree /srv/tree; choose a path outside it.',
    ],
    [
      '[identity]\nsid_range_max = 300000',
      'identity.sid_range_max is 300000; it must be at least sid_slice_size above sid_range_min, which makes 400000.',
    ],
    [
      '[identity]\nrfc2307_id_max = 999',
      'identity.rfc2307_id_max is 999; it must not be below rfc2307_id_min, which is 1000.',
    ],
    [
      '[identity]\nsid_domains = ["S-1-5-32"]',
      'identity.sid_domains is ["S-1-5-32"]; it must be a list of SIDs of domains such as ["S-1-5-21-321277845-873389989-806497059"].',
    ],
    ['[identity]\nenforcement = "user"', 'identity.enforcement is "user"; it must be one of "service", "kernel".'],
    [
      '[identity]\nfile_mode = "0755"',
      'identity.file_mode is "0755"; it must be an octal mode such as "0644" or "0660": read and write for the owner, for group and others 0, 4 or 6.',
    ],
    ['[identity]\nanonymous_uid = 0', 'identity.anonymous_uid is 0; it must be a whole number from 1 to 4294967294.'],
    [
      '[identity]\nanonymous_gid = 4294967295',
      'identity.anonymous_gid is 4294967295; it must be a whole number from 1 to 4294967294.',
    ],
    [
      `${DOMAIN}servers = ["ldaps://dc1.example.com"]\nenforcement = "kernel"`,
      'identity.posix_ids is "none", so no user of the domain has a uid, and identity.enforcement "kernel" needs one; give it the value "sid" or "rfc2307".',
    ],
    [
      `${DOMAIN}servers = ["ldaps://dc1.example.com"]\nenforcement = "kernel"\nposix_ids = "sid"\nanonymous_uid = 200000`,
      "identity.anonymous_uid is 200000, which may be a user's; choose one outside of sid_range_min to sid_range_max, which are 200000 and 2000200000.",
    ],
    ['[namespace]\nroots = ["b"]', 'namespace.roots is ["b"]; it must be a list of absolute paths such as ["/mnt/b"].'],
    ['[tls]\nkey = ""', 'tls.key is ""; it must be the path of a PEM file.'],
    ['[s3]\nlifecycle_day = "soon"', 's3.lifecycle_day is "soon"; it must be a time such as "1d" or "10s".'],
  ])('%s', (toml, sentence) => {
    expect(problemsOf(() => load(toml))).toEqual([sentence.replace('FILE', file)])
  })

  it('all of them at once', () => {
    expect(problemsOf(() => load('[a]\nx = 1\n[pool]\nworkers = 0\n'))).toHaveLength(2)
  })

  it('text that is not TOML says where', () => {
    const [problem] = problemsOf(() => load('[s3]\nregion = \n'))
    expect(problem).toMatch(new RegExp(`^${file} is not TOML at line 2, column \\d+: .*\\.$`))
  })

  it('a file that is not there', () => {
    expect(problemsOf(() => loadConfig('/no/such.toml', {}, {}))).toEqual([
      'The configuration file /no/such.toml does not exist; give the path of a TOML file.',
    ])
  })

  it('a variable of the environment that names a section but no setting', () => {
    expect(problemsOf(() => loadConfig(undefined, {}, { CAUSEWAY_POOL_WORKER: '2' }))).toEqual([
      'CAUSEWAY_POOL_WORKER in the environment names no setting; [pool] has workers, drain_seconds.',
    ])
  })

  it('state, keys or users inside the served tree', () => {
    const problems = problemsOf(() => load('[namespace]\nroot = "/srv"\n[state]\ndirectory = "/srv/state"\n'))
    expect(problems[0]).toBe('state.directory is /srv/state, inside the served tree /srv; choose a path outside it.')
    expect(problems).toHaveLength(4)
  })

  it('an audit file inside the served tree, or a further root', () => {
    const roots = '[namespace]\nroot = "/srv"\nroots = ["/mnt/b"]\n'
    expect(problemsOf(() => load(`${roots}[log]\naudit_file = "/mnt/b/logs/audit.log"\n`))).toEqual([
      'log.audit_file is /mnt/b/logs/audit.log, inside the served tree /mnt/b; choose a path outside it.',
    ])
  })

  it('a state directory too long for unix sockets', () => {
    const long = `/${'d'.repeat(90)}`
    expect(problemsOf(() => loadConfig(undefined, { state: { directory: long } }, {}))).toEqual([
      'state.directory is 91 bytes long; unix sockets lie in it, so choose a path of at most 83 bytes.',
    ])
  })
})

describe('what is written about the configuration', () => {
  it('causeway.example.toml is current: node gateway/config.ts --example > gateway/causeway.example.toml', () => {
    expect(readFileSync(new URL('./causeway.example.toml', import.meta.url), 'utf8')).toBe(exampleToml())
  })

  it('the example is a configuration, and the default one', () => {
    const config = load(exampleToml().replaceAll('"data/', `"${process.cwd()}/data/`))
    expect(config).toEqual(loadConfig(undefined, {}, {}))
  })

  it('every example of an unset setting is a right value', () => {
    const all = exampleToml().replace(/^# (\w+ = )/gm, '$1')
    expect(Object.keys(parse(all))).toEqual([
      'listen',
      'tls',
      'namespace',
      'identity',
      's3',
      'pool',
      'limits',
      'admin',
      'log',
      'state',
    ])
    expect(() => load(all)).not.toThrow()
  })

  it('the table has one line per setting', () => {
    const table = explainConfig()
    for (const { section, key } of settings()) expect(table).toMatch(new RegExp(`^${section}\\.${key} `, 'm'))
    expect(table.trimEnd().split('\n')).toHaveLength(settings().length + 1)
  })
})

it('addresses are split at the last colon', () => {
  expect(splitAddress('127.0.0.1:80')).toEqual({ host: '127.0.0.1', port: 80 })
  expect(splitAddress('[::1]:443')).toEqual({ host: '::1', port: 443 })
})
