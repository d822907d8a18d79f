/**
 * A domain as `samba-tool domain provision` leaves it, made once per machine and Samba: it takes 5 seconds of a processor, a copy 0.1.
 * Whoever wants a domain controller copies it (domain-controller.ts).
 */
import { createHash } from 'node:crypto'
import { lstat, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { makeAuthority } from './certificates.ts'

export const domain = {
  /** The name before the backslash: `LAB\alice`. */
  netbiosName: 'LAB',
  /** The name behind the @. */
  realm: 'lab.example.test',
  base: 'DC=lab,DC=example,DC=test',
  hostName: 'dc1.lab.example.test',
  administrator: { dn: 'administrator@lab.example.test', password: 'Passw0rd!Adm' },
} as const

const PROVISION = [
  ...['domain', 'provision', '-s', '/dev/null', '--quiet', '--realm', domain.realm.toUpperCase()],
  ...['--domain', domain.netbiosName, '--server-role', 'dc', '--use-rfc2307', '--dns-backend', 'NONE'],
  ...['--host-name', 'dc1', '--host-ip', '127.0.0.1', '--adminpass', domain.administrator.password],
  // Attributes named security.* need CAP_SYS_ADMIN, which a container has not.
  ...['--option', 'acl_xattr:security_acl_name=user.NTACL', '--option', 'server services=ldap'],
]
const PROVISION_TIMEOUT_MS = 180_000
// Two test files at once on a new machine: one makes it, the other one waits. The lock goes with its process. What is seen under the
// final name is whole. It may be used for longer than the 42 days after which a domain's passwords expire, the administrator's among them.
const ONCE = `final=$1 made=$2; shift 2
[ -d "$final" ] || { "$@" && samba-tool user setexpiry administrator --noexpiry -s "$made/etc/smb.conf" && mv -T "$made" "$final"; }`

/** Samba's databases flush nothing then: what a test writes need not outlive a power cut. */
export const sambaEnvironment = { TDB_NO_FSYNC: '1' } as const

/**
 * The directory of a provisioned domain, below the system's directory of temporary files, where it stays for the next run: `private`
 * and `state` of Samba, and `tls` with a certificate authority. Nothing may be written to it.
 *
 * Throws with one plain sentence where Samba is missing or this is not root.
 */
export async function provisionedDomain(): Promise<string> {
  const version = await requireSamba()
  const key = createHash('sha256')
    .update(JSON.stringify([version, PROVISION, ONCE]))
    .digest('hex')
    .slice(0, 16)
  const final = join(tmpdir(), `causeway-domain-${key}`)
  if (await isOurs(final)) return final
  const work = await mkdtemp(join(tmpdir(), 'causeway-provision-'))
  try {
    const made = join(work, 'domain')
    await makeAuthority(join(made, 'tls'))
    const command = ['samba-tool', ...PROVISION, '--targetdir', made]
    await execa('flock', ['--no-fork', `${final}.lock`, 'sh', '-c', ONCE, 'sh', final, made, ...command], {
      env: sambaEnvironment,
      timeout: PROVISION_TIMEOUT_MS,
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  if (!(await isOurs(final))) throw new Error(`${final} is not the domain that was made just now.`)
  return final
}

async function requireSamba(): Promise<string> {
  if (process.getuid?.() !== 0) {
    throw new Error(
      'A domain controller is made and run as root only: its ports are below 1024, and provisioning gives files away.',
    )
  }
  try {
    return (await execa('samba', ['--version'])).stdout
  } catch (cause) {
    throw new Error('Samba is not installed, and this needs a domain controller; scripts/setup-ad installs it.', {
      cause,
    })
  }
}

/** Anybody may make a directory of this name there, and Samba would run as root what its files say. */
async function isOurs(directory: string): Promise<boolean> {
  const found = await lstat(directory).catch(() => undefined)
  if (found === undefined) return false
  if (found.isDirectory() && found.uid === 0 && (found.mode & 0o022) === 0) return true
  throw new Error(`${directory} is there and not root's own; remove it.`)
}
