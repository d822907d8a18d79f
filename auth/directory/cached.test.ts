import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { alice, secret } from '../testing/signers.ts'
import { cachedDirectory } from './cached.ts'
import type { Directory } from './directory.ts'

function counting(answer: (id: string) => ReturnType<Directory['findByAccessKey']>) {
  const asked: string[] = []
  const directory: Directory = {
    findByAccessKey(id) {
      asked.push(id)
      return answer(id)
    },
    authenticate: async (name) => {
      asked.push(name)
      return undefined
    },
    findByCanonicalId: async () => undefined,
    findByEmail: async () => undefined,
    findByUid: async () => undefined,
    findByUserId: async () => undefined,
    close: async () => {
      asked.push('close')
    },
  }
  return { asked, directory }
}

describe('a cached directory', () => {
  it('asks once for many at once, and not again for a moment, also where there is no such key', async () => {
    const { asked, directory } = counting(async (id) => {
      await sleep(5)
      return id === 'known' ? { secret, identity: alice } : undefined
    })
    const cached = cachedDirectory(directory, { ttlMs: 60_000 })
    const answers = await Promise.all(['known', 'known', 'unknown', 'known', 'unknown'].map(cached.findByAccessKey))
    expect(answers.map((answer) => answer?.identity)).toEqual([alice, alice, undefined, alice, undefined])
    await cached.findByAccessKey('known')
    await cached.findByAccessKey('unknown')
    expect(asked).toEqual(['known', 'unknown'])
  })

  it('remembers users of sessions likewise, apart from keys', async () => {
    const { asked, directory } = counting(async () => undefined)
    const findByUserId = async (id: string) => {
      asked.push(`user ${id}`)
      return id === 'known' ? alice : undefined
    }
    const cached = cachedDirectory({ ...directory, findByUserId }, { ttlMs: 60 })
    expect(await Promise.all(['known', 'known', 'unknown'].map(cached.findByUserId))).toEqual([alice, alice, undefined])
    expect(cached.findByUserId('known')).toEqual(alice)
    await cached.findByAccessKey('known')
    expect(asked).toEqual(['user known', 'user unknown', 'known'])
    await sleep(70)
    await cached.findByUserId('known')
    expect(asked).toHaveLength(4)
  })

  it('remembers whose a uid is, and that it is nobody’s', async () => {
    const { directory } = counting(async () => undefined)
    const asked: number[] = []
    const findByUid = async (uid: number) => {
      asked.push(uid)
      return uid === 1000 ? alice : undefined
    }
    const cached = cachedDirectory({ ...directory, findByUid }, { ttlMs: 60_000 })
    expect(await Promise.all([1000, 7, 1000, 7].map(cached.findByUid))).toEqual([alice, undefined, alice, undefined])
    expect(cached.findByUid(1000)).toEqual(alice)
    expect(asked).toEqual([1000, 7])
  })

  it('says at once what it knows, and only as long as that holds', async () => {
    const { asked, directory } = counting(async () => ({ secret, identity: alice }))
    const cached = cachedDirectory(directory, { ttlMs: 60 })
    expect(cached.findByAccessKey('a')).toBeInstanceOf(Promise)
    await cached.findByAccessKey('a')
    expect(cached.findByAccessKey('a')).toEqual({ secret, identity: alice })
    await sleep(70)
    expect(cached.findByAccessKey('a')).toBeInstanceOf(Promise)
    expect(asked).toEqual(['a', 'a'])
  })

  it('asks again when the time is over, counted from the question', async () => {
    const { asked, directory } = counting(async () => {
      await sleep(40)
      return { secret, identity: alice }
    })
    const cached = cachedDirectory(directory, { ttlMs: 60 })
    await cached.findByAccessKey('a')
    await sleep(30)
    await cached.findByAccessKey('a')
    expect(asked).toEqual(['a', 'a'])
  })

  it('remembers no error and no password', async () => {
    let broken = true
    const { asked, directory } = counting(async () => {
      if (broken) throw new Error('away')
      return { secret, identity: alice }
    })
    const cached = cachedDirectory(directory, { ttlMs: 60_000 })
    await expect(cached.findByAccessKey('a')).rejects.toThrow('away')
    broken = false
    expect(await cached.findByAccessKey('a')).toBeDefined()
    await cached.authenticate('alice', 'x')
    await cached.authenticate('alice', 'x')
    await cached.close()
    expect(asked).toEqual(['a', 'a', 'alice', 'alice', 'close'])
  })
})
