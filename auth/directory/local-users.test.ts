import { mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Problem } from './directory.ts'
import { createLocalUser, type LocalUsers, openLocalUsers } from './local-users.ts'

let folder = ''
let path = ''
let problems: Problem[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'local-users-'))
  path = join(folder, 'users.toml')
  problems = []
})
afterEach(() => rm(folder, { recursive: true }))

/** Looks at the file with every question. */
function open(): Promise<LocalUsers> {
  return openLocalUsers({ path, problems: (problem) => problems.push(problem), checkEveryMs: 0 })
}

describe('the file of users', () => {
  it('says everything about a user', async () => {
    await writeFile(
      path,
      `[[users]]
name = "alice"
display_name = "Alice Example"
canonical_id = "${'ab'.repeat(32)}"
email = "alice@example.com"
groups = ["staff", "ops"]
uid = 1000
gid = 1001
supplementary_gids = [100, 4294967294]
[[users]]
name = "bob"
disabled = true
`,
    )
    const users = await open()
    expect(await users.findUser('alice')).toEqual({
      id: 'alice',
      userName: 'alice',
      displayName: 'Alice Example',
      canonicalId: 'ab'.repeat(32),
      email: 'alice@example.com',
      groups: ['staff', 'ops'],
      posix: { uid: 1000, gid: 1001, groups: [100, 4294967294] },
      disabled: false,
    })
    expect(await users.findUser('bob')).toMatchObject({ displayName: 'bob', disabled: true, groups: [] })
    expect(await users.findUser('carol')).toBeUndefined()
    expect((await users.listUsers()).map(({ userName }) => userName)).toEqual(['alice', 'bob'])
  })

  it('finds who an id or an address names, disabled ones too, and nobody by an address that two have', async () => {
    const user = (name: string, email: string) => `[[users]]\nname = "${name}"\nemail = "${email}"\n`
    await writeFile(
      path,
      `${user('alice', 'Alice@example.com')}disabled = true\n${user('bob', 'ops@example.com')}${user('carol', 'OPS@example.com')}[[users]]\nname = "dave"\n`,
    )
    const users = await open()
    const alice = await users.findUser('alice')
    expect(await users.findByCanonicalId(alice?.canonicalId ?? '')).toEqual(alice)
    expect(await users.findByEmail('alice@EXAMPLE.com')).toEqual(alice)
    expect(await users.findByEmail('ops@example.com')).toBeUndefined()
    expect(await users.findByEmail('undefined')).toBeUndefined()
    expect(await users.findByEmail('')).toBeUndefined()
    expect(await users.findByCanonicalId('alice')).toBeUndefined()
  })

  it('need not be there yet', async () => {
    const users = await open()
    expect(await users.listUsers()).toEqual([])
    await createLocalUser(path, { name: 'alice' })
    expect(await users.findUser('alice')).toMatchObject({ userName: 'alice' })
    expect(problems).toEqual([])
  })

  it.each([
    ['name = ', 'Invalid TOML'],
    ['[[users]]\nnome = "a"', 'users.toml'],
    ['[[users]]\nname = "a"\nuid = -1\ngid = 0', '/users/0/uid'],
    ['[[users]]\nname = "a"\nuid = 1', 'both uid and gid'],
    ['[[users]]\nname = "a/b"', '/users/0/name'],
    ['[[users]]\nname = "a"\n[[users]]\nname = "a"', 'two users named "a"'],
    ['[[users]]\nname = "a"\nid = "1"\n[[users]]\nname = "b"\nid = "1"', 'two users have the id'],
    ['[[users]]\nname = "a"\npassword = "hunter2"', '/users/0/password'],
  ])('%j is refused at the start with a sentence', async (text, sentence) => {
    await writeFile(path, text)
    await expect(open()).rejects.toThrow(sentence)
  })

  it('is read again when it changes, also by rename and without a change of size', async () => {
    await writeFile(path, '[[users]]\nname = "alice"\n')
    const users = await open()
    await writeFile(path, '[[users]]\nname = "alicf"\n')
    expect(await users.findUser('alice')).toBeUndefined()
    expect(await users.findUser('alicf')).toBeDefined()
    const { mtime } = await stat(path)
    await writeFile(`${path}.new`, '[[users]]\nname = "alicg"\n')
    await rename(`${path}.new`, path)
    expect((await stat(path)).mtime.getTime()).toBeGreaterThanOrEqual(mtime.getTime())
    expect(await users.findUser('alicg')).toBeDefined()
  })

  it('broken by an edit leaves the last good one in force and is told once; mended it counts again', async () => {
    await writeFile(path, '[[users]]\nname = "alice"\n')
    const users = await open()
    await writeFile(path, '[[users]]\nname = "bob')
    expect(await users.findUser('alice')).toBeDefined()
    expect(await users.findUser('alice')).toBeDefined()
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatchObject({ path })
    await writeFile(path, '[[users]]\nname = "bob"\n')
    expect(await users.findUser('alice')).toBeUndefined()
    expect(await users.findUser('bob')).toBeDefined()
    expect(problems).toHaveLength(1)
  })

  it('taken away leaves the last good one in force', async () => {
    await writeFile(path, '[[users]]\nname = "alice"\n')
    const users = await open()
    await rm(path)
    expect(await users.findUser('alice')).toBeDefined()
    expect(problems).toHaveLength(1)
  })

  it('is not looked at more often than asked for', async () => {
    await writeFile(path, '[[users]]\nname = "alice"\n')
    const users = await openLocalUsers({ path, checkEveryMs: 60_000 })
    await writeFile(path, '')
    expect(await users.findUser('alice')).toBeDefined()
  })
})

describe('a new user', () => {
  it('is added at the end, and everything that stood there stays', async () => {
    await writeFile(path, '# ours\n[[users]]\nname = "alice"   # the first')
    const before = await readFile(path, 'utf8')
    const bob = await createLocalUser(path, { name: 'bob', displayName: 'Bob "B" Example', groups: ['a'] })
    expect((await readFile(path, 'utf8')).startsWith(before)).toBe(true)
    const users = await open()
    expect(await users.findUser('bob')).toEqual(bob)
    expect(bob.displayName).toBe('Bob "B" Example')
    expect(await users.findUser('alice')).toBeDefined()
  })

  it('has a canonical id of its own that outlives a rename of the user', async () => {
    const alice = await createLocalUser(path, { name: 'alice' })
    const bob = await createLocalUser(path, { name: 'bob' })
    expect(alice.canonicalId).toMatch(/^[0-9a-f]{64}$/)
    expect(bob.canonicalId).not.toBe(alice.canonicalId)
    await writeFile(path, (await readFile(path, 'utf8')).replace('"alice"', '"alicia"'))
    expect((await (await open()).findUser('alicia'))?.canonicalId).toBe(alice.canonicalId)
  })

  it('cannot take a name that is taken, and then nothing is written', async () => {
    await createLocalUser(path, { name: 'alice' })
    const before = await readFile(path, 'utf8')
    await expect(createLocalUser(path, { name: 'alice' })).rejects.toThrow('two users named')
    await expect(createLocalUser(path, { name: 'a:b' })).rejects.toThrow('/users/1/name')
    expect(await readFile(path, 'utf8')).toBe(before)
  })

  it('may have a password, which nobody can read', async () => {
    await createLocalUser(path, { name: 'alice', password: 'correct horse' })
    expect(await readFile(path, 'utf8')).not.toContain('horse')
    const users = await open()
    expect(await users.checkPassword('alice', 'correct horse')).toMatchObject({ userName: 'alice' })
    expect(await users.checkPassword('alice', 'correct horsf')).toBeUndefined()
    expect(await users.checkPassword('nobody', 'correct horse')).toBeUndefined()
    await writeFile(path, `${await readFile(path, 'utf8')}disabled = true\n`)
    expect(await users.checkPassword('alice', 'correct horse')).toBeUndefined()
  })
})
