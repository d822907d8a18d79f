import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Scan } from './files.ts'
import { type Clock, createScanCache, type ScanCacheOptions } from './scan-cache.ts'
import { createMemoryTree, type MemoryTree } from './testing/memory-scans.ts'

const namesOf = (scan: Scan): string[] => Array.from({ length: scan.count }, (_, index) => scan.name(index).toString())

/** A tree whose clock ticks every 4 ms, and a machine's clock that reads the same time, both moved by hand. */
function lab(options: ScanCacheOptions & { readonly serverBehindMs?: number } = {}) {
  const { serverBehindMs = 0, ...cacheOptions } = options
  const tree = createMemoryTree()
  let nowMs = 1_000_000
  const clock: Clock = { wallMs: () => nowMs, monotonicMs: () => nowMs - 900_000 }
  const pass = (ms: number) => {
    nowMs += ms
    const serverMs = nowMs - serverBehindMs
    tree.nowNs = BigInt(serverMs - (serverMs % 4)) * 1_000_000n + 7n
  }
  pass(0)
  tree.add('d/a')
  return { tree, pass, cache: createScanCache({ clock, ...cacheOptions }) }
}

/** Lets a test stop a scan between its stat and its reading, or after its reading. */
function gate(tree: MemoryTree) {
  const waiting: { before: boolean; go: () => void }[] = []
  tree.duringScan = (_, before) => new Promise((resolve) => waiting.push({ before, go: resolve }))
  const step = async (before: boolean) => {
    for (let turn = 0; turn < 50 && waiting.length === 0; turn += 1) await Promise.resolve()
    const next = waiting.shift()
    expect(next?.before).toBe(before)
    next?.go()
  }
  return {
    async readNext() {
      await step(true)
      await step(false)
    },
    step,
    open() {
      tree.duringScan = undefined
      for (const { go } of waiting.splice(0)) go()
    },
    waiting,
  }
}

describe('keeping', () => {
  test('a directory that is old and does not change is read once', async () => {
    const { tree, pass, cache } = lab()
    pass(1000)
    const first = await cache.scan(tree.calls, 'd')
    expect(await cache.scan(tree.calls, 'd')).toBe(first)
    expect(await cache.glance(tree.calls, 'd', 1)).toBe(first)
    expect(tree.scanned).toEqual(['d'])
  })

  test('a change is seen at once', async () => {
    const { tree, pass, cache } = lab()
    pass(1000)
    await cache.scan(tree.calls, 'd')
    tree.add('d/b')
    expect(namesOf(await cache.scan(tree.calls, 'd'))).toEqual(['a', 'b'])
  })

  test('another directory of the same name is not taken for the one that was read', async () => {
    const { tree, pass, cache } = lab()
    tree.add('d2/x')
    pass(1000)
    await cache.scan(tree.calls, 'd')
    tree.nowNs -= 1_000_000_000n
    tree.remove('d')
    tree.add('d', 'directory')
    expect(namesOf(await cache.scan(tree.calls, 'd'))).toEqual([])
  })

  test('a change in the tick of the change before it is seen, though the directory’s time stays the same', async () => {
    const { tree, cache } = lab()
    expect(namesOf(await cache.scan(tree.calls, 'd'))).toEqual(['a'])
    tree.add('d/b')
    expect(namesOf(await cache.scan(tree.calls, 'd'))).toEqual(['a', 'b'])
  })

  test('a young directory is kept from the first reading after it has settled', async () => {
    const { tree, pass, cache } = lab({ settleMs: 50 })
    await cache.scan(tree.calls, 'd')
    pass(40)
    await cache.scan(tree.calls, 'd')
    pass(20)
    await cache.scan(tree.calls, 'd')
    await cache.scan(tree.calls, 'd')
    expect(tree.scanned).toEqual(['d', 'd', 'd'])
  })

  test('whole seconds in a time mean a clock that ticks in seconds', async () => {
    const { tree, pass, cache } = lab()
    tree.nowNs = 1_000_000_000_000n
    tree.add('d/b')
    pass(1500)
    await cache.scan(tree.calls, 'd')
    await cache.scan(tree.calls, 'd')
    expect(tree.scanned).toEqual(['d', 'd'])
    pass(1000)
    await cache.scan(tree.calls, 'd')
    await cache.scan(tree.calls, 'd')
    expect(tree.scanned).toEqual(['d', 'd', 'd'])
  })

  test('where the server’s clock is behind, a young directory is not taken for an old one', async () => {
    const { tree, cache } = lab({ skewMs: 5000, serverBehindMs: 3000 })
    await cache.scan(tree.calls, 'd')
    tree.add('d/b')
    expect(namesOf(await cache.scan(tree.calls, 'd'))).toEqual(['a', 'b'])
  })

  test('and is kept as soon as this machine has seen it unchanged for a while', async () => {
    const { tree, pass, cache } = lab({ skewMs: 60_000, settleMs: 50 })
    await cache.scan(tree.calls, 'd')
    pass(60)
    await cache.scan(tree.calls, 'd')
    await cache.scan(tree.calls, 'd')
    expect(tree.scanned).toEqual(['d', 'd'])
  })

  test('memory is bounded: what was asked for last stays', async () => {
    const { tree, pass, cache } = lab({ maxBytes: 2_500 })
    for (const name of ['e', 'f', 'g', 'h', 'i']) tree.add(`${name}/${'n'.repeat(100)}`)
    pass(1000)
    for (const name of ['e', 'f', 'g', 'h', 'i']) await cache.scan(tree.calls, name)
    await cache.scan(tree.calls, 'i')
    await cache.scan(tree.calls, 'e')
    expect(tree.scanned).toEqual(['e', 'f', 'g', 'h', 'i', 'e'])
  })

  test('nobody is shown from memory what they may not read', async () => {
    const { tree, pass, cache } = lab()
    pass(1000)
    await cache.scan(tree.calls, 'd')
    tree.failures.set('d', 'EACCES')
    await expect(cache.scan(tree.calls, 'd')).rejects.toThrow('EACCES')
    tree.failures.delete('d')
    tree.remove('d')
    await expect(cache.scan(tree.calls, 'd')).rejects.toThrow('ENOENT')
    await expect(cache.glance(tree.calls, 'd', 1)).rejects.toThrow('ENOENT')
  })

  test('a glance reads some, and is kept when that was all', async () => {
    const { tree, pass, cache } = lab()
    for (const name of ['b', 'c', 'e']) tree.add(`d/${name}`)
    pass(1000)
    expect((await cache.glance(tree.calls, 'd', 2)).count).toBe(2)
    expect((await cache.scan(tree.calls, 'd')).count).toBe(4)
    const other = lab()
    other.pass(1000)
    await other.cache.glance(other.tree.calls, 'd', 2)
    await other.cache.scan(other.tree.calls, 'd')
    expect(other.tree.scanned).toEqual(['d…'])
  })
})

describe('sharing', () => {
  test('callers who come at the same time share one reading', async () => {
    const { tree, cache } = lab()
    const scans = Array.from({ length: 10 }, () => cache.scan(tree.calls, 'd'))
    // The first comes alone; the nine behind it share the next.
    await Promise.all(scans)
    expect(tree.scanned).toEqual(['d', 'd'])
  })

  test('who comes after an acknowledged PUT is not given a reading that began before it', async () => {
    const { tree, pass, cache } = lab()
    pass(1000)
    const door = gate(tree)
    const before = cache.scan(tree.calls, 'd')
    await door.step(true)
    // The names have been read. Now a PUT, acknowledged; then a listing.
    tree.add('d/b')
    const after = cache.scan(tree.calls, 'd')
    door.open()
    await before
    expect(namesOf(await after)).toEqual(['a', 'b'])
  })

  test('nor one that began before it and was read in the same tick', async () => {
    const { tree, cache } = lab()
    const door = gate(tree)
    const before = cache.scan(tree.calls, 'd')
    await door.step(true)
    tree.add('d/b')
    const after = cache.scan(tree.calls, 'd')
    door.open()
    expect(namesOf(await before)).toEqual(['a'])
    expect(namesOf(await after)).toEqual(['a', 'b'])
  })

  test('a failed reading fails its own callers only', async () => {
    const { tree, cache } = lab()
    const failing: MemoryTree['calls'] = { ...tree.calls, scan: () => Promise.reject(new Error('EIO')) }
    const first = cache.scan(failing, 'd')
    const second = cache.scan(tree.calls, 'd')
    await expect(first).rejects.toThrow('EIO')
    expect(namesOf(await second)).toEqual(['a'])
  })

  test('callers with different identities do not share a reading', async () => {
    const { tree, cache } = lab()
    const refused: MemoryTree['calls'] = {
      ...tree.calls,
      scan: () => Promise.reject(new Error('EACCES for this one')),
    }
    const door = gate(tree)
    const allowed = cache.scan(tree.calls, 'd')
    // Both wait for the first, and one of them is the next to read.
    const next = cache.scan(tree.calls, 'd')
    const denied = cache.scan(refused, 'd')
    denied.catch(() => undefined)
    door.open()
    expect(namesOf(await allowed)).toEqual(['a'])
    expect(namesOf(await next)).toEqual(['a'])
    await expect(denied).rejects.toThrow('EACCES')
  })

  test('a file that steps aside while its directory is read is not lost (P-120)', async () => {
    const { tree, pass, cache } = lab()
    pass(1000)
    // The old name is gone before the reader gets there, the new one comes where it has been.
    tree.duringScan = (_, before) => {
      if (before && tree.scanned.length === 1) tree.remove('d/a')
      if (!before && tree.scanned.length === 1) tree.add('d/.%=a')
    }
    expect(namesOf(await cache.scan(tree.calls, 'd'))).toEqual(['.%=a'])
  })
})

describe('list after write', () => {
  /**
   * Writers, listings and clocks in any order: every scan shows all that was acknowledged before it was asked for, and nothing
   * that was removed before.
   */
  const steps = fc.array(
    fc.oneof(
      fc.record({ do: fc.constant('add' as const), name: fc.nat({ max: 5 }) }),
      fc.record({ do: fc.constant('remove' as const), name: fc.nat({ max: 5 }) }),
      fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(0, 1, 3, 4, 60) }),
      fc.record({ do: fc.constantFrom('scan' as const, 'let' as const) }),
    ),
    { maxLength: 40 },
  )

  test.each([
    ['of a local file system', {}],
    ['of a server whose clock is 2 s behind', { skewMs: 3000, serverBehindMs: 2000 }],
    ['of a server whose clock is 2 s ahead', { skewMs: 3000, serverBehindMs: -2000 }],
  ])('holds under any interleaving %s', async (_, options) => {
    await fc.assert(
      fc.asyncProperty(steps, async (plan) => {
        const { tree, pass, cache } = lab(options)
        const door = gate(tree)
        const there = new Set(['a'])
        /** What changed while a scan was under way may be seen or not. */
        const running: { must: Set<string>; may: Set<string>; scan: Promise<Scan> }[] = []
        for (const step of plan) {
          if (step.do === 'pass') pass(step.ms)
          if (step.do === 'add' && !there.has(`n${step.name}`)) {
            tree.add(`d/n${step.name}`)
            there.add(`n${step.name}`)
            for (const { may } of running) may.add(`n${step.name}`)
          }
          if (step.do === 'remove' && there.delete(`n${step.name}`)) {
            tree.remove(`d/n${step.name}`)
            for (const { must } of running) must.delete(`n${step.name}`)
          }
          if (step.do === 'scan') {
            running.push({ must: new Set(there), may: new Set(there), scan: cache.scan(tree.calls, 'd') })
          }
          if (step.do === 'let') {
            for (let turn = 0; turn < 10; turn += 1) await Promise.resolve()
            door.waiting.shift()?.go()
            for (let turn = 0; turn < 10; turn += 1) await Promise.resolve()
          }
        }
        door.open()
        for (const { must, may, scan } of running) {
          const names = namesOf(await scan)
          expect([...must].filter((name) => !names.includes(name))).toEqual([])
          expect(names.filter((name) => !may.has(name))).toEqual([])
        }
      }),
      { numRuns: 3000 },
    )
  })
})
