import { expect, it } from 'vitest'
import { type ControllerEvent, controllersOf } from './controllers.ts'
import { type LdapConnection, LdapUnreachable } from './ldap-connection.ts'

function fakeController(name: string, asked: string[]) {
  const state = { away: false, refuses: false }
  const connection: LdapConnection = {
    async search(baseDn) {
      asked.push(name)
      if (state.away) throw new LdapUnreachable(name, new Error('away'))
      if (state.refuses) throw Object.assign(new Error('no'), { code: 50 })
      return { entries: [{ dn: `${name} ${baseDn}` }], connection: 1 }
    },
    checkPassword: async (_, password) => password === name,
    close: async () => {
      asked.push(`${name} closed`)
    },
  }
  return Object.assign(state, { url: name, connection })
}

function two() {
  const asked: string[] = []
  const events: ControllerEvent[] = []
  const clock = { ms: 0 }
  const [one, other] = [fakeController('one', asked), fakeController('other', asked)]
  const controllers = controllersOf([one, other], { events: (event) => events.push(event), now: () => clock.ms })
  const search = async () => (await controllers.search('x', {})).entries[0]?.dn
  return { asked, events, clock, one, other, controllers, search }
}

it('the first of the configuration is asked, and the next one where it fails', async () => {
  const { asked, events, one, search } = two()
  expect(await search()).toBe('one x')
  one.away = true
  expect([await search(), await search()]).toEqual(['other x', 'other x'])
  expect(asked).toEqual(['one', 'one', 'other', 'other'])
  expect(events).toMatchObject([{ kind: 'controller failed', url: 'one', cause: { message: 'one: away' } }])
})

it('a controller that failed is tried again a second later, beside the requests, and then comes first again', async () => {
  const { asked, events, clock, one, controllers, search } = two()
  one.away = true
  await search()
  await controllers.revive()
  expect(asked).toEqual(['one', 'other'])
  clock.ms += 1000
  await controllers.revive() // still away: two seconds now
  clock.ms += 1999
  await controllers.revive()
  expect(asked).toEqual(['one', 'other', 'one'])
  one.away = false
  clock.ms += 1
  await controllers.revive()
  expect(await search()).toBe('one x')
  expect(events.map(({ kind }) => kind)).toEqual(['controller failed', 'controller answers again'])
})

it('where none answers, requests are refused at once and nobody is asked', async () => {
  const { asked, one, other, search } = two()
  one.away = true
  other.away = true
  await expect(search()).rejects.toThrow('one: away')
  asked.length = 0
  await expect(search()).rejects.toThrow(LdapUnreachable)
  expect(asked).toEqual([])
})

it('what a controller answers is no failure of the controller', async () => {
  const { asked, events, one, search } = two()
  one.refuses = true
  await expect(search()).rejects.toMatchObject({ code: 50 })
  await expect(search()).rejects.toMatchObject({ code: 50 })
  expect([asked, events]).toEqual([['one', 'one'], []])
})

it('many requests that fail at once are one failure', async () => {
  const { events, clock, one, controllers, search } = two()
  one.away = true
  expect(new Set(await Promise.all(Array.from({ length: 16 }, search)))).toEqual(new Set(['other x']))
  expect(events).toHaveLength(1)
  one.away = false
  clock.ms += 1000
  await controllers.revive()
  expect(await search()).toBe('one x')
})

it('passwords are tried at the first controller that is in order, and closing closes all', async () => {
  const { asked, controllers } = two()
  expect(await controllers.checkPassword('x', 'one')).toBe(true)
  expect(await controllers.checkPassword('x', 'other')).toBe(false)
  await controllers.close()
  expect(asked).toEqual(['one closed', 'other closed'])
})
