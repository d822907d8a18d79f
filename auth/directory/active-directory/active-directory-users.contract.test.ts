import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startDomainController } from '../../testing/domain-controller.ts'
import { seedDomain } from '../../testing/seed-domain.ts'
import { itKeepsTheContractOfUsers } from '../../testing/users-contract.ts'
import { openActiveDirectoryUsers } from './active-directory-users.ts'

itKeepsTheContractOfUsers('Active Directory', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'active-directory-contract-'))
  // Wrong passwords are tried here; with a threshold, alice would be locked.
  const controller = await startDomainController({ directory, lockoutThreshold: 0 })
  const { administrator, ca: authorities, base: baseDn, url } = controller
  const { svc, alice, dave } = await seedDomain(administrator)
  for (const name of ['twin', 'other-twin'])
    await administrator.addUser(name, { mail: 'twins@example.com', uidNumber: '20007', gidNumber: '21000' })
  return {
    alice: { ...alice, email: alice.userPrincipalName, uid: 20001 },
    disabled: { ...dave, uid: 20004 },
    groups: ['data-scientists', 'research', 'staff'],
    sharedEmail: 'twins@example.com',
    sharedUid: 20007,
    open: async () =>
      openActiveDirectoryUsers({
        servers: [url],
        readCredentials: async () => ({ authorities, bindDn: svc.dn, bindPassword: svc.password }),
        baseDn,
        staleGraceMs: 300_000,
        posixIds: { from: 'rfc2307', primaryGroup: 'gidNumber', idMin: 1000, idMax: 0xffff_fffe },
        lockedBlocksKeys: false,
        expiredPasswordBlocksKeys: false,
      }),
    async close() {
      await controller.stop()
      await rm(directory, { recursive: true })
    },
  }
})
