import { beforeEach, describe, expect, it } from 'vitest'
import type { Account } from './account.ts'
import { type Facts, type KnownUsersEvent, knownUsers } from './known-users.ts'

const GRACE_MS = 300_000
let nowMs = 0
let events: KnownUsersEvent[] = []
let directory: ReturnType<typeof fakeDirectory>

beforeEach(() => {
  nowMs = 1_000_000
  events = []
  directory = fakeDirectory()
})

/** One user, `version` of them at the moment, behind a controller that can be made to fail and to wait. */
function fakeDirectory() {
  const state = {
    usn: 1,
    controller: 'dc1',
    connection: 1,
    readFrom: undefined as number | undefined,
    version: 'one' as string | undefined,
    locked: false,
    away: false,
    reads: 0,
    gate: Promise.resolve(),
  }
  const fail = () => {
    if (state.away) throw new Error('away')
  }
  return Object.assign(state, {
    async read() {
      state.reads += 1
      const { version, locked, gate } = state
      await gate
      fail()
      const account = { name: version, locked } as Account
      const facts: Facts | undefined =
        version === undefined ? undefined : { account, groups: [], posix: { posix: undefined, reason: '' } }
      return { value: facts, connection: state.readFrom ?? state.connection }
    },
    async readPosition() {
      fail()
      return { value: { controller: state.controller, usn: String(state.usn) }, connection: state.connection }
    },
  })
}

const open = () =>
  knownUsers({ ...directory, graceMs: GRACE_MS, events: (event) => events.push(event), now: () => nowMs })

const nameOf = async (users: ReturnType<typeof open>) => (await users.find('guid'))?.account.name

describe('while the sequence number stands still', () => {
  it('a user is read once, somebody who is gone too', async () => {
    const users = open()
    await users.poll()
    expect(await nameOf(users)).toBe('one')
    directory.version = undefined
    expect(await nameOf(users)).toBe('one')
    nowMs += 1000
    await users.poll()
    expect(await nameOf(users)).toBe('one')
    expect(directory.reads).toBe(1)
    expect(events).toEqual([{ kind: 'hit' }, { kind: 'hit' }])

    directory.usn += 1
    await users.poll()
    expect([await nameOf(users), await nameOf(users)]).toEqual([undefined, undefined])
    expect(directory.reads).toBe(2)
  })

  it('sixteen who come at once read once', async () => {
    const users = open()
    await users.poll()
    expect(new Set(await Promise.all(Array.from({ length: 16 }, () => nameOf(users))))).toEqual(new Set(['one']))
    expect(directory.reads).toBe(1)
  })

  it('a locked user is read again after half a minute, since a lockout ends by the clock', async () => {
    directory.locked = true
    const users = open()
    await users.poll()
    await users.find('guid')
    nowMs += 29_000
    await users.poll()
    await users.find('guid')
    expect(directory.reads).toBe(1)
    nowMs += 2000
    await users.poll()
    await users.find('guid')
    expect(directory.reads).toBe(2)
  })
})

describe('when it moves', () => {
  it.each<[string, () => unknown]>([
    ['the number', () => (directory.usn += 1)],
    ['the controller', () => (directory.controller = 'dc2')],
    ['the connection', () => (directory.connection = 2)],
  ])('%s: users are read again, once', async (_, move) => {
    const users = open()
    await users.poll()
    await users.find('guid')
    directory.version = 'two'
    move()
    await users.poll()
    expect([await nameOf(users), await nameOf(users)]).toEqual(['two', 'two'])
    expect(directory.reads).toBe(2)
    expect(events.find(({ kind }) => kind === 'read again')).toMatchObject({
      before: { account: { name: 'one' } },
      after: { account: { name: 'two' } },
    })
  })

  it('who asks after the move does not take an answer from before it', async () => {
    const users = open()
    await users.poll()
    const gate = Promise.withResolvers<void>()
    directory.gate = gate.promise
    const before = nameOf(users)
    directory.version = 'two'
    directory.usn += 1
    await users.poll()
    directory.gate = Promise.resolve()
    expect(await nameOf(users)).toBe('two')
    gate.resolve()
    expect(await before).toBe('one')
    expect(await nameOf(users)).toBe('two')
    expect(directory.reads).toBe(2)
  })

  it('what another controller has told is not remembered: it may be behind the one whose number is watched', async () => {
    const users = open()
    await users.poll()
    directory.readFrom = 7
    expect(await nameOf(users)).toBe('one')
    directory.readFrom = undefined
    directory.version = 'two'
    expect(await nameOf(users)).toBe('two')
  })

  it('without a poll for five seconds nothing is taken as standing still', async () => {
    const users = open()
    await users.poll()
    await users.find('guid')
    nowMs += 5001
    directory.version = 'two'
    expect(await nameOf(users)).toBe('two')
  })
})

describe('while no controller answers', () => {
  it('known users go on until the grace is over, counted from the last word of the directory; unknown ones do not', async () => {
    const users = open()
    await users.poll()
    await users.find('guid')
    nowMs += 60_000
    await users.poll() // the number still stands, so the user is confirmed as of now
    directory.away = true
    nowMs += GRACE_MS
    await users.poll()
    expect(users.isReachable()).toBe(false)
    expect(await nameOf(users)).toBe('one')
    await expect(users.find('another')).rejects.toThrow('away')
    nowMs += 1
    await expect(users.find('guid')).rejects.toThrow('away')
    expect(events.map(({ kind }) => kind)).toEqual(['unreachable', 'stale answer'])
  })

  it('a user who was read under another number is confirmed by that one only', async () => {
    const users = open()
    await users.poll()
    await users.find('guid')
    directory.usn += 1
    for (let second = 0; second < 60; second++) {
      nowMs += 1000
      await users.poll()
    }
    directory.away = true
    nowMs += GRACE_MS - 59_000
    await expect(users.find('guid')).rejects.toThrow('away')
  })

  it('is told once, and so is its end', async () => {
    const users = open()
    directory.away = true
    for (let second = 0; second < 3; second++) {
      await users.poll()
      nowMs += 1000
    }
    directory.away = false
    await users.poll()
    await users.poll()
    expect(events).toMatchObject([{ kind: 'unreachable' }, { kind: 'reachable', silentMs: 3000 }])
    expect(users.isReachable()).toBe(true)
  })

  it('what was disabled meanwhile is seen at the first question after it', async () => {
    const users = open()
    await users.poll()
    await users.find('guid')
    directory.away = true
    await users.poll()
    directory.version = undefined
    directory.away = false
    expect(await nameOf(users)).toBeUndefined()
  })
})
