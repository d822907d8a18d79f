import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { itKeepsTheContractOfUsers } from '../testing/users-contract.ts'
import { createLocalUser, openLocalUsers } from './local-users.ts'

itKeepsTheContractOfUsers('the file of users', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'local-users-contract-'))
  const path = join(folder, 'users.toml')
  const alice = { name: 'alice', email: 'alice@example.com', password: 'Open sesame', uid: 1000 }
  const disabled = { name: 'dave', password: 'Open sesame too', uid: 1001 }
  const posixOf = (uid: number) => ({ uid, gid: 100, groups: [] })
  await createLocalUser(path, { ...alice, groups: ['research', 'staff'], posix: posixOf(alice.uid) })
  for (const name of ['twin', 'other-twin'])
    await createLocalUser(path, { name, email: 'twins@example.com', posix: posixOf(2000) })
  await createLocalUser(path, { ...disabled, posix: posixOf(disabled.uid) })
  await writeFile(path, `${await readFile(path, 'utf8')}disabled = true\n`)
  return {
    alice,
    disabled,
    groups: ['research', 'staff'],
    sharedEmail: 'twins@example.com',
    sharedUid: 2000,
    open: () => openLocalUsers({ path }),
    close: () => rm(folder, { recursive: true }),
  }
})
