/**
 * A seeded Active Directory domain controller until Ctrl-C: `npm run lab:ad -- --serve`. Says how to reach it, by hand and from a causeway.toml.
 * Afterwards nothing is left of it but the provisioned domain that the next one is copied from (auth/testing/provisioned-domain.ts).
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'smol-toml'
import { type DomainController, startDomainController } from '../../auth/testing/domain-controller.ts'
import { type Seed, seedDomain } from '../../auth/testing/seed-domain.ts'

const ABOUT: Readonly<Record<keyof Seed, string>> = {
  svc: 'binds and reads; in no group',
  alice: 'in data-scientists, which is in research, which is in staff',
  bob: 'in staff',
  carol: 'in no group',
  dave: 'in staff; disabled',
  erin: 'in staff; expired',
  frank: 'in staff; must change the password',
}

export async function serveDomain(): Promise<void> {
  const asked = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve())
  })
  const directory = await mkdtemp('/tmp/causeway-lab-ad-')
  try {
    const controller = await startDomainController({ directory })
    try {
      const seed = await seedDomain(controller.administrator)
      const passwordFile = join(directory, 'bind-password')
      await writeFile(passwordFile, seed.svc.password, { mode: 0o600 })
      console.log(introduction(controller, seed, passwordFile))
      await asked
    } finally {
      await controller.stop()
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function introduction(controller: DomainController, seed: Seed, passwordFile: string): string {
  const { url, caFile, base } = controller
  const identity = {
    provider: 'active-directory',
    servers: [url],
    ca_file: caFile,
    base_dn: base,
    bind_dn: seed.svc.dn,
    bind_password_file: passwordFile,
  }
  const users = (Object.keys(ABOUT) as readonly (keyof Seed)[]).map(
    (name) => `  ${name.padEnd(6)} ${seed[name].password.padEnd(15)} ${ABOUT[name]}`,
  )
  return `A domain controller answers at ${url}; its domain is ${controller.netbiosName}, ${controller.realm}. Users and passwords:

${users.join('\n')}

By hand:

  LDAPTLS_CACERT=${caFile} ldapsearch -LLL -H ${url} -x -D '${seed.svc.dn}' -y ${passwordFile} -b ${base} '(sAMAccountName=alice)'

In a causeway.toml:

${stringify({ identity })}
Ctrl-C ends it.`
}
