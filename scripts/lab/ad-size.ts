/** What each question to the domain costs with a few users in it and with many: `npm run lab:ad -- --users 50000`. */
import { mkdtemp, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import {
  openActiveDirectoryUsers,
  type Question,
} from '../../auth/directory/active-directory/active-directory-users.ts'
import { type DomainController, startDomainController } from '../../auth/testing/domain-controller.ts'
import { sambaEnvironment } from '../../auth/testing/provisioned-domain.ts'
import { type Seed, seedDomain } from '../../auth/testing/seed-domain.ts'

const TURNS = 100
const POLL_EVERY_MS = 20
const fillDomain = fileURLToPath(new URL('fill-domain.py', import.meta.url))

/** Prints a table of medians. */
export async function measureSize(users: number): Promise<void> {
  const directory = await mkdtemp('/tmp/causeway-lab-ad-')
  try {
    const controller = await startDomainController({ directory })
    try {
      const seed = await seedDomain(controller.administrator)
      const few = await askAll(controller, seed)
      await controller.halt()
      const configuration = join(dirname(dirname(controller.caFile)), 'smb.conf')
      await execa('/usr/bin/python3', [fillDomain, configuration, String(users)], { env: sambaEnvironment })
      await controller.restart()
      const many = await askAll(controller, seed)
      console.log(`| question | with few users | with ${users} more |\n| --- | --- | --- |`)
      // The domain's own names are asked for once.
      for (const [question, times] of few)
        if (times.length >= TURNS)
          console.log(`| ${question} | ${medianOf(times)} | ${medianOf(many.get(question) ?? [])} |`)
    } finally {
      await controller.stop()
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

type Times = ReadonlyMap<Question, readonly number[]>

async function askAll({ url, ca, base, administrator }: DomainController, { svc, alice }: Seed): Promise<Times> {
  const times = new Map<Question, number[]>()
  const users = openActiveDirectoryUsers({
    servers: [url],
    readCredentials: async () => ({ authorities: ca, bindDn: svc.dn, bindPassword: svc.password }),
    baseDn: base,
    staleGraceMs: 300_000,
    posixIds: { from: 'none' },
    lockedBlocksKeys: false,
    expiredPasswordBlocksKeys: false,
    pollEveryMs: POLL_EVERY_MS,
    events(event) {
      if (event.kind === 'asked')
        times.set(event.question, [...(times.get(event.question) ?? []), event.seconds * 1000])
    },
  })
  for (let turn = 0; turn < TURNS; turn++) {
    await users.findByName('alice')
    await users.findByName(`nobody-${turn}`)
    await users.findByEmail(alice.userPrincipalName)
    await users.findGroup('staff')
    await users.checkPassword('alice', alice.password)
    // Else what is known holds, and nothing is asked.
    await administrator.setAttributes('alice', { description: `turn ${turn}` })
    await sleep(3 * POLL_EVERY_MS)
    await users.findUser(alice.guid)
  }
  await users.close()
  return times
}

function medianOf(times: readonly number[]): string {
  return `${times.toSorted((one, other) => one - other)[times.length >> 1]?.toFixed(1) ?? '-'} ms`
}
