import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sharedReads } from './shared-reads.ts'

describe('a shared reading', () => {
  it('answers all who came during the one before it, and never one who came after it began', async () => {
    let state = 0
    let readings = 0
    const find = sharedReads(async () => {
      readings += 1
      const seen = state
      await turn()
      return seen
    })
    const first = find('a')
    state = 1
    const later = Promise.all([find('a'), find('a'), find('a')])
    expect(await first).toBe(0)
    expect(await later).toEqual([1, 1, 1])
    expect(readings).toBe(2)
    state = 2
    expect(await find('a')).toBe(2)
  })

  it('of one name is none of another', async () => {
    const find = sharedReads(async (name) => name)
    expect(await Promise.all(['a', 'b', 'a'].map(find))).toEqual(['a', 'b', 'a'])
  })

  it('that fails does so for those it was for; the next is a new one', async () => {
    let broken = true
    const find = sharedReads(async () => {
      await turn()
      if (broken) throw new Error('away')
      return 'here'
    })
    const first = find('a')
    const second = find('a')
    await expect(first).rejects.toThrow('away')
    broken = false
    expect(await second).toBe('here')
    expect(await find('a')).toBe('here')
  })

  it('shows what was written before it was asked for, whatever the order of things', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom('write', 'find', 'pause'), { maxLength: 40 }), async (steps) => {
        let state = 0
        const find = sharedReads(async () => {
          await turn()
          const seen = state
          await turn()
          return seen
        })
        const asked: Promise<void>[] = []
        for (const step of steps) {
          if (step === 'write') state += 1
          if (step === 'pause') await turn()
          const before = state
          if (step === 'find') asked.push(find('a').then((seen) => expect(seen).toBeGreaterThanOrEqual(before)))
        }
        await Promise.all(asked)
      }),
    )
  })
})
