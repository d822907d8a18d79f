import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type GroupPolicyStore, groupPolicyStore } from './group-policies.ts'
import { type LiveGroupPolicies, openGroupPolicies } from './live-group-policies.ts'

const read = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: '*' }],
})
const sid = 'S-1-5-21-1-2-3-1105'

let directory: string
let store: GroupPolicyStore
let live: LiveGroupPolicies | undefined

beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'causeway-policies-')), 'policies')
  store = groupPolicyStore(directory)
})
afterEach(async () => {
  live?.close()
  live = undefined
  await rm(join(directory, '..'), { recursive: true })
})

it('keeps a document byte for byte', async () => {
  const text = `${read}\n\n `
  await store.put('read+=,.@_-1', text)
  expect(await readFile(join(directory, 'read+=,.@_-1.json'), 'utf8')).toBe(text)
})

it.each(['', '.hidden', '../up', 'a/b', 'a b', 'é', 'x\0', 'a\n', 'x'.repeat(129)])(
  'refuses the name %j',
  async (name) => {
    await expect(store.put(name, read)).rejects.toMatchObject({ code: 'InvalidArgument' })
    await expect(store.attach(name, { name: 'staff' })).rejects.toMatchObject({ code: 'InvalidArgument' })
    await expect(store.remove(name)).rejects.toMatchObject({ code: 'InvalidArgument' })
  },
)

it('refuses a document that is none, and keeps the one before', async () => {
  await store.put('read', read)
  await expect(store.put('read', '{')).rejects.toMatchObject({ code: 'MalformedPolicy' })
  expect(await readFile(join(directory, 'read.json'), 'utf8')).toBe(read)
})

it('attaches, once, and detaches by name or SID', async () => {
  await store.put('read', read)
  expect(await store.attach('write', { name: 'staff' })).toBe(false)
  expect(await store.attach('read', { name: 'staff', sid })).toBe(true)
  expect(await store.attach('read', { name: 'renamed', sid })).toBe(true)
  expect(await store.list()).toEqual([{ name: 'read', attachments: [{ policy: 'read', group: 'staff', sid }] }])
  expect(await store.detach('read', 'renamed')).toBe(false)
  expect(await store.detach('read', sid)).toBe(true)
  expect(await store.list()).toEqual([{ name: 'read', attachments: [] }])
})

it('removes none that is attached', async () => {
  expect(await store.remove('read')).toBe('unknown')
  await store.put('read', read)
  await store.attach('read', { name: 'staff' })
  expect(await store.remove('read')).toBe('attached')
  await store.detach('read', 'staff')
  expect(await store.remove('read')).toBe('removed')
  expect(await store.list()).toEqual([])
})

it('loses nothing where many attach at once', async () => {
  await store.put('read', read)
  const names = Array.from({ length: 8 }, (_, index) => `group ${index}`)
  await Promise.all(names.map((name) => groupPolicyStore(directory).attach('read', { name })))
  const [policy] = await store.list()
  expect(policy?.attachments.map(({ group }) => group).sort()).toEqual(names)
})

const namesOf = (who: Parameters<LiveGroupPolicies['withPolicies']>[0]) =>
  live?.withPolicies(who).groupPolicies?.map(({ name }) => name)

it('answers who has no policy as given', async () => {
  live = await openGroupPolicies({ directory })
  const who = { groups: ['staff'] }
  expect(live.withPolicies(who)).toBe(who)
  await store.put('read', read)
  await store.attach('read', { name: 'others' })
  live.close()
  live = await openGroupPolicies({ directory })
  expect(live.withPolicies(who)).toBe(who)
})

it('knows a group of a domain by its SID alone, whatever it is called', async () => {
  await store.put('read', read)
  await store.attach('read', { name: 'staff', sid })
  live = await openGroupPolicies({ directory })
  const sidOfUser = 'S-1-5-21-1-2-3-1200'
  expect(namesOf({ groups: ['renamed'], sid: sidOfUser, groupSids: [sid] })).toEqual(['read'])
  expect(namesOf({ groups: ['staff'], sid: sidOfUser, groupSids: [`${sid}0`] })).toBeUndefined()
  expect(namesOf({ groups: ['staff'] })).toBeUndefined()
})

it('gives a user of a domain nothing by the mere name of a group', async () => {
  await store.put('read', read)
  await store.attach('read', { name: 'staff' })
  live = await openGroupPolicies({ directory })
  expect(namesOf({ groups: ['staff'], sid, groupSids: [sid] })).toBeUndefined()
  expect(namesOf({ groups: ['staff'] })).toEqual(['read'])
})

it('sees within two seconds what another process changes', async () => {
  live = await openGroupPolicies({ directory })
  await store.put('read', read)
  await store.attach('read', { name: 'staff' })
  await vi.waitFor(() => expect(namesOf({ groups: ['staff'] })).toEqual(['read']), 2000)
  await store.put('read', read.replace('Allow', 'Deny'))
  const effects = () =>
    live?.withPolicies({ groups: ['staff'] } as Who).groupPolicies?.[0]?.policy.statements[0]?.effect
  await vi.waitFor(() => expect(effects()).toBe('Deny'), 2000)
  await store.detach('read', 'staff')
  await vi.waitFor(() => expect(namesOf({ groups: ['staff'] })).toBeUndefined(), 2000)
})
type Who = Parameters<LiveGroupPolicies['withPolicies']>[0]

it.each(['read.json', '.attachments.json'])(
  'denies its groups everything where %s is damaged from the start, tells it once, and mends with the file',
  async (file) => {
    await store.put('read', read)
    await store.attach('read', { name: 'staff' })
    const path = join(directory, file)
    const whole = await readFile(path, 'utf8')
    await writeFile(path, '{')
    const problems: string[] = []
    live = await openGroupPolicies({ directory, problems: ({ path }) => problems.push(path), checkEveryMs: 5 })
    const statements = (groups: readonly string[]) =>
      live?.withPolicies({ groups } as Who).groupPolicies?.flatMap(({ policy }) => policy.statements)
    expect(statements(['staff'])).toMatchObject([{ effect: 'Deny' }])
    expect(statements([])).toBeUndefined()
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(problems).toEqual([path])
    await writeFile(path, whole)
    await vi.waitFor(() => expect(statements(['staff'])).toMatchObject([{ effect: 'Allow' }]), 2000)
  },
)

it.each(['read.json', '.attachments.json'])(
  'keeps the last good state where %s is damaged while it runs',
  async (file) => {
    await store.put('read', read)
    await store.attach('read', { name: 'staff' })
    const problems: string[] = []
    live = await openGroupPolicies({ directory, problems: ({ path }) => problems.push(path), checkEveryMs: 5 })
    await writeFile(join(directory, file), '{')
    await vi.waitFor(() => expect(problems).toEqual([join(directory, file)]))
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(namesOf({ groups: ['staff'] })).toEqual(['read'])
    expect(problems).toHaveLength(1)
  },
)

it('changes nothing where it cannot tell what is attached', async () => {
  await store.put('read', read)
  await writeFile(join(directory, '.attachments.json'), '{')
  await expect(store.attach('read', { name: 'staff' })).rejects.toThrow(/damaged; restore it/)
  await expect(store.remove('read')).rejects.toThrow(/damaged; restore it/)
})

it('goes on with the other policies where one is damaged from the start, whose groups are denied', async () => {
  await store.put('bad', read)
  await store.put('good', read)
  await store.attach('bad', { name: 'staff' })
  await store.attach('good', { name: 'staff' })
  await writeFile(join(directory, 'bad.json'), '')
  live = await openGroupPolicies({ directory })
  await store.attach('good', { name: 'others' })
  expect(namesOf({ groups: ['staff'] })).toEqual(['bad', 'good'])
  await vi.waitFor(() => expect(namesOf({ groups: ['others'] })).toEqual(['good']), 2000)
})
