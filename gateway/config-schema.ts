/**
 * The configuration as data: every section and key with its default, its meaning and what a right value looks like. The type, the
 * validation, causeway.example.toml and `causeway config` all come from here. Keys are snake_case as in the file.
 */
import { type Static, type TSchema, Type } from 'typebox'

/** What a leaf says of itself beside its type: `expected` completes the sentence "…; it must be <expected>". */
type About = {
  readonly description: string
  readonly expected: string
  /** Shown, commented out, in the example where there is no default. */
  readonly examples?: readonly unknown[]
}

const text = (about: About, fallback?: string, pattern?: string) =>
  Type.String({ ...about, ...(fallback === undefined ? {} : { default: fallback }), ...(pattern ? { pattern } : {}) })

const optionalText = (description: string, expected: string, example: string) =>
  Type.Optional(text({ description, expected, examples: [example] }, undefined, '.'))

const flag = (description: string, fallback: boolean) =>
  Type.Boolean({ description, expected: 'true or false', default: fallback })

const count = (description: string, fallback: number, minimum: number, maximum: number) =>
  Type.Integer({
    description,
    expected: `a whole number from ${minimum} to ${maximum}`,
    default: fallback,
    minimum,
    maximum,
  })

const autoOrCount = (description: string, maximum: number) =>
  Type.Union([Type.Literal('auto'), Type.Integer({ minimum: 1, maximum })], {
    description,
    expected: `"auto" or a whole number from 1 to ${maximum}`,
    default: 'auto',
  })

const choice = <const Values extends readonly string[]>(
  description: string,
  values: Values,
  fallback: Values[number],
) =>
  Type.Unsafe<Values[number]>(
    Type.Enum(values, {
      description,
      expected: values.length === 1 ? `"${values[0]}"` : `one of ${values.map((value) => `"${value}"`).join(', ')}`,
      default: fallback,
    }),
  )

/** "127.0.0.1:8080", "[::1]:8080", "localhost:8080"; port 0 takes any free one. */
const ADDRESS = String.raw`(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):\d{1,5}`
/** Spelled out: an address or name, perhaps a port, no path. */
const LDAPS_URL = String.raw`^ldaps://(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::\d{1,5})?/?$`
const HOST_NAME = '[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?'

/** The one above is (uid_t) -1: "no change". */
const POSIX_ID_MAX = 0xffff_fffe
const DOMAIN_SID = String.raw`^S-1-5-21(?:-\d{1,10}){3}$`
const EXAMPLE_DOMAIN_SID = 'S-1-5-21-321277845-873389989-806497059'

const Listen = Type.Object(
  {
    https: text(
      {
        description: 'Address and port of the S3 endpoint with TLS; "" for none.',
        expected: 'an address and port such as "0.0.0.0:8443" or "[::]:8443", or ""',
      },
      '0.0.0.0:8443',
      `^(?:${ADDRESS})?$`,
    ),
    http: text(
      {
        description: 'Address and port of the S3 endpoint without TLS; "" for none.',
        expected: 'an address and port such as "127.0.0.1:8080", or ""',
      },
      '',
      `^(?:${ADDRESS})?$`,
    ),
    domain: Type.Optional(
      text(
        {
          description:
            'Host name under which buckets are sub-domains (virtual-host style). Path style works on every name.',
          expected: 'a host name in lower case such as "s3.example.com"',
          examples: ['s3.example.com'],
        },
        undefined,
        `^${HOST_NAME}$`,
      ),
    ),
    http2: flag('Offer HTTP/2 on the TLS endpoint.', false),
    proxy_protocol: flag('Expect the PROXY protocol from the load balancer in front; needs trusted_proxies.', false),
    trusted_proxies: Type.Array(Type.String({ pattern: '^[0-9a-fA-F:.]+(?:/\\d{1,3})?$' }), {
      description: 'Addresses or networks of load balancers whose word on the client address is believed.',
      expected: 'a list of addresses or networks such as ["10.0.0.0/8", "192.0.2.7"]',
      default: [],
    }),
  },
  { description: 'Where clients reach the gateway.' },
)

const Tls = Type.Object(
  {
    certificate: Type.Optional(
      text(
        {
          description: 'Certificate chain in PEM. Unset: certificate.pem in the state directory.',
          expected: 'the path of a PEM file',
          examples: ['/etc/causeway/certificate.pem'],
        },
        undefined,
        '.',
      ),
    ),
    key: Type.Optional(
      text(
        {
          description: 'Private key in PEM. Unset: certificate.key in the state directory.',
          expected: 'the path of a PEM file',
          examples: ['/etc/causeway/certificate.key'],
        },
        undefined,
        '.',
      ),
    ),
  },
  { description: 'The certificate of the TLS endpoint.' },
)

const Namespace = Type.Object(
  {
    root: text({ description: 'The tree that is served.', expected: 'the path of a directory' }, 'data/tree', '.'),
    roots: Type.Array(Type.String({ pattern: '^/' }), {
      description: 'Further directories in which existing directories may be mapped as buckets.',
      expected: 'a list of absolute paths such as ["/mnt/b"]',
      default: [],
    }),
    publish_root: Type.Optional(
      text(
        {
          description:
            'The same tree by a second NFS mount (nosharecache), through which files are renamed. Without it, overwriting a file that this machine is sending is a short 404 on others.',
          expected: 'an absolute path',
          examples: ['/mnt/global-w'],
        },
        undefined,
        '^/',
      ),
    ),
    durability: choice(
      'strict flushes file and directory before a write is acknowledged; relaxed leaves that to the file system.',
      ['strict', 'relaxed'],
      'strict',
    ),
    directories_max: count('How many directories one upload may create.', 512, 1, 1024),
    encrypted_at_rest: flag(
      'The storage below the tree is encrypted by whoever runs it. Only then is SSE-S3 (AES256) accepted and told to clients; Causeway encrypts nothing itself.',
      false,
    ),
    linked_file_uids: Type.Array(Type.Integer({ minimum: 0, maximum: POSIX_ID_MAX }), {
      description:
        'identity.enforcement "service": uids whose files are read although they have a second name (hard link), such as that of a backup. Of everybody else such a file may be one that somebody has linked and may not read, and is refused. Never the gateway\'s own uid.',
      expected: `a list of whole numbers from 0 to ${POSIX_ID_MAX} such as [34]`,
      default: [],
    }),
    threads: autoOrCount(
      'File-system threads per worker and mount. auto: as many as cores on a local file system, 32 on a network one.',
      512,
    ),
    call_timeout_seconds: count(
      'How long a call to a network file system may take before its request is answered 503. Flushes, copies and large directories may take limits.answer_timeout_seconds while the mount answers.',
      30,
      1,
      3600,
    ),
  },
  { description: 'The file tree.' },
)

const IdentitySection = Type.Object(
  {
    provider: choice(
      'Where users come from. local: users_file. active-directory: a domain, which needs servers, ca_file, base_dn, bind_dn and bind_password_file.',
      ['local', 'active-directory'],
      'local',
    ),
    enforcement: choice(
      "Who owns the files and decides. service: one service account owns all, S3 authorization decides. kernel: each call runs under the caller's uid, gid and groups, so that modes and exports decide as well and new files belong to the user; needs capabilities (scripts/systemd/causeway-kernel.conf).",
      ['service', 'kernel'],
      'service',
    ),
    file_mode: text(
      {
        description: 'kernel: the mode of new files. New directories get an x for each r: "0640" makes them 0750.',
        expected:
          'an octal mode such as "0644" or "0660": read and write for the owner, for group and others 0, 4 or 6',
      },
      '0644',
      '^0?6[046]{2}$',
    ),
    anonymous_uid: count('kernel: the uid under which requests without a user run.', 65_534, 1, POSIX_ID_MAX),
    anonymous_gid: count('kernel: the gid under which requests without a user run.', 65_534, 1, POSIX_ID_MAX),
    master_key_file: Type.Optional(
      text(
        {
          description: 'The master key, one for all gateways of a tree. Unset: master.key in the state directory.',
          expected: 'the path of a file outside the tree',
          examples: ['/etc/causeway/master.key'],
        },
        undefined,
        '.',
      ),
    ),
    users_file: Type.Optional(
      text(
        {
          description: 'Users and groups of the local provider. Unset: users.toml in the state directory.',
          expected: 'the path of a TOML file outside the tree',
          examples: ['/etc/causeway/users.toml'],
        },
        undefined,
        '.',
      ),
    ),
    servers: Type.Array(Type.String({ pattern: LDAPS_URL }), {
      description:
        'Domain controllers, the preferred one first; the others are asked while it does not answer. LDAPS only.',
      expected: 'a list of URLs such as ["ldaps://dc1.example.com", "ldaps://dc2.example.com"]',
      default: [],
    }),
    ca_file: optionalText(
      'The authority of the certificates of the controllers in PEM.',
      'the path of a PEM file outside the tree',
      '/etc/causeway/domain-ca.pem',
    ),
    base_dn: optionalText(
      'Distinguished name of the domain.',
      'a name such as "DC=example,DC=com"',
      'DC=example,DC=com',
    ),
    bind_dn: optionalText(
      'Who reads the directory: an ordinary user account, by distinguished name or name@domain.',
      'a name such as "CN=causeway,OU=Services,DC=example,DC=com"',
      'CN=causeway,OU=Services,DC=example,DC=com',
    ),
    bind_password_file: optionalText(
      'The password of bind_dn in one line, mode 0600. Read for each connection, so that it can be changed while serving.',
      'the path of a file outside the tree',
      '/etc/causeway/bind-password',
    ),
    stale_grace: text(
      {
        description:
          'How long users whom the gateway knows go on while no controller answers. Unknown ones are answered 503 then.',
        expected: 'a time such as "5m" or "30s"',
      },
      '5m',
      '^[1-9]\\d*(?:s|m|h|d)$',
    ),
    locked_blocks_keys: flag(
      'A locked account cannot use its access keys. Whoever knows a name can lock its account by wrong passwords, though not through this gateway: false where that must not stop programs.',
      true,
    ),
    expired_password_blocks_keys: flag(
      'An account whose password has expired or must be changed cannot use its access keys. false where keys outlive passwords.',
      true,
    ),
    posix_ids: choice(
      'Where uid and gids of directory users come from. sid: made of their SIDs as sssd makes them (ldap_id_mapping); rfc2307: uidNumber and gidNumber; none: they have none. The local provider has them in users_file.',
      ['sid', 'rfc2307', 'none'],
      'none',
    ),
    sid_range_min: count('sid: the lowest id, as ldap_idmap_range_min of sssd.', 200_000, 1, POSIX_ID_MAX),
    sid_range_max: count(
      'sid: above the highest id, as ldap_idmap_range_max of sssd.',
      2_000_200_000,
      2,
      POSIX_ID_MAX + 1,
    ),
    sid_slice_size: count('sid: ids of a slice, as ldap_idmap_range_size of sssd.', 200_000, 1, POSIX_ID_MAX),
    sid_default_domain: Type.Optional(
      text(
        {
          description:
            'sid: the domain whose ids begin at the lowest one, as ldap_idmap_default_domain_sid of sssd. Unset: none, all places follow from the SIDs.',
          expected: `the SID of a domain such as "${EXAMPLE_DOMAIN_SID}"`,
          examples: [EXAMPLE_DOMAIN_SID],
        },
        undefined,
        DOMAIN_SID,
      ),
    ),
    sid_domains: Type.Array(Type.String({ pattern: DOMAIN_SID }), {
      description: "sid: further domains whose groups have ids; the directory's own domain always has.",
      expected: `a list of SIDs of domains such as ["${EXAMPLE_DOMAIN_SID}"]`,
      default: [],
    }),
    rfc2307_primary_group: choice(
      "rfc2307: the primary group. gidNumber: the user's own, as sssd takes it; primaryGroupID: the gidNumber of the group that this names, as winbind's idmap_ad takes it unless unix_primary_group is set.",
      ['gidNumber', 'primaryGroupID'],
      'gidNumber',
    ),
    rfc2307_id_min: count(
      'rfc2307: the lowest number that is taken for a uid or gid, so that the directory makes nobody root.',
      1000,
      1,
      POSIX_ID_MAX,
    ),
    rfc2307_id_max: count('rfc2307: the highest number that is taken for a uid or gid.', POSIX_ID_MAX, 1, POSIX_ID_MAX),
    // A week: so long a former line of the master key is kept for tokens (auth/keys/rekey.ts).
    session_seconds_max: count('How long temporary keys of STS may hold at most.', 43_200, 900, 604_800),
  },
  { description: 'Users and their keys.' },
)

const S3 = Type.Object(
  {
    region: text(
      { description: 'The region clients sign for.', expected: 'a region name such as "us-east-1"' },
      'us-east-1',
      '^[a-z0-9][a-z0-9-]*$',
    ),
    object_ownership: choice(
      'Object ownership of new buckets. BucketOwnerEnforced turns ACLs off; none sets nothing, which S3 takes for ObjectWriter.',
      ['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter', 'none'],
      'BucketOwnerEnforced',
    ),
    public_access_block: flag(
      'New buckets refuse and ignore public ACLs and policies until their owner says otherwise.',
      true,
    ),
    account_public_access_block: flag(
      'All buckets refuse and ignore public ACLs and policies, whatever their owners say.',
      false,
    ),
    sigv2_post: flag('Accept browser upload forms signed with the old Signature Version 2.', false),
    lifecycle_day: text(
      {
        description: 'How long a day of lifecycle rules is; shorter for tests.',
        expected: 'a time such as "1d" or "10s"',
      },
      '1d',
      '^[1-9]\\d*(?:s|m|h|d)$',
    ),
    precheck_min_bytes: count(
      'From this body size on, "Expect: 100-continue" is answered only after the request has been authorized.',
      1024 * 1024,
      0,
      5 * 1024 ** 3,
    ),
  },
  { description: 'The protocol.' },
)

const Pool = Type.Object(
  {
    workers: autoOrCount('Worker processes. auto: one per core.', 256),
    drain_seconds: count('How long a worker that is stopping may finish what it has begun.', 30, 1, 3600),
  },
  { description: 'The worker processes.' },
)

const Limits = Type.Object(
  {
    password_trials_per_minute: count(
      'Wrong passwords that a worker tries for one client address (AssumeRoleWithLDAPIdentity); the workers of a site together, as many times that.',
      10,
      1,
      100_000,
    ),
    connections_per_client: count('Connections from one client address.', 1000, 1, 1_000_000),
    header_bytes: count('All headers of a request together.', 131_072, 16_384, 1_048_576),
    header_timeout_seconds: count('Time to send the headers.', 60, 1, 3600),
    body_timeout_seconds: count('Silence between two reads or writes of a body.', 60, 1, 3600),
    answer_timeout_seconds: count('Silence before an answer: above the longest copy.', 3600, 1, 86_400),
    keep_alive_seconds: count('How long an idle connection of a client stays open.', 75, 1, 3600),
  },
  { description: 'Limits of a client.' },
)

const Admin = Type.Object(
  {
    listen: text(
      {
        description:
          'Where /healthz, /readyz and /metrics answer; port 0 takes a free one (see admin.url in the state directory).',
        expected: 'an address and port such as "127.0.0.1:9100"',
      },
      '127.0.0.1:0',
      `^${ADDRESS}$`,
    ),
  },
  { description: 'Health and metrics; keep it on loopback.' },
)

const Log = Type.Object(
  {
    level: choice(
      'error, warn, info (one line per request), debug (reasons), silent.',
      ['error', 'warn', 'info', 'debug', 'silent'],
      'info',
    ),
    file: Type.Optional(
      text(
        {
          description: 'Unset: standard output. A file is reopened on SIGUSR2.',
          expected: 'the path of a file',
          examples: ['/var/log/causeway/gateway.log'],
        },
        undefined,
        '.',
      ),
    ),
    access_file: Type.Optional(
      text(
        {
          description: 'Access log of nginx. Unset: access.log in the state directory. Reopened on SIGUSR2.',
          expected: 'the path of a file',
          examples: ['/var/log/causeway/access.log'],
        },
        undefined,
        '.',
      ),
    ),
    audit_file: Type.Optional(
      text(
        {
          description:
            'One JSON line per request: who, what, the verdict with its reason. Object keys are plain in it. Unset: none. A local file of this machine, outside the tree; reopened on SIGUSR2.',
          expected: 'the path of a file outside the tree',
          examples: ['/var/log/causeway/audit.log'],
        },
        undefined,
        '.',
      ),
    ),
    keys: choice(
      'How object keys appear in the log: plain, hash (the first 16 hex digits of SHA-256), or omit.',
      ['plain', 'hash', 'omit'],
      'plain',
    ),
  },
  { description: 'Logs.' },
)

const State = Type.Object(
  {
    directory: text(
      {
        description: 'Sockets, process ids, certificate, nginx files. Outside the tree.',
        expected: 'the path of a directory outside the tree',
      },
      'data/state',
      '.',
    ),
  },
  { description: 'What the gateway needs beside the tree.' },
)

/** Sections in the order in which they are shown. */
export const ConfigSchema = Type.Object({
  listen: Listen,
  tls: Tls,
  namespace: Namespace,
  identity: IdentitySection,
  s3: S3,
  pool: Pool,
  limits: Limits,
  admin: Admin,
  log: Log,
  state: State,
})

/** As in the file: snake_case, defaults not yet filled in. */
export type ConfigInFile = Static<typeof ConfigSchema>

/** A key of the schema with what it says of itself. */
export type Setting = {
  readonly section: string
  readonly key: string
  readonly schema: TSchema
  readonly description: string
  readonly expected: string
  readonly fallback: unknown
  readonly example: unknown
}

/** Every setting, in order. */
export function settings(): readonly Setting[] {
  return Object.entries(ConfigSchema.properties).flatMap(([section, schema]) =>
    Object.entries<TSchema & Partial<About> & { default?: unknown }>(schema.properties).map(([key, leaf]) => ({
      section,
      key,
      schema: leaf,
      description: leaf.description ?? '',
      expected: leaf.expected ?? '',
      fallback: leaf.default,
      example: leaf.examples?.[0],
    })),
  )
}
