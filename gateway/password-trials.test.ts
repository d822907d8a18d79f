import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { passwordTrials } from './password-trials.ts'

function setUp(perMinute: number) {
  const clock = { ms: 1000 }
  const trials = passwordTrials(perMinute, () => clock.ms)
  const taken = (address: string, times: number) => Array.from({ length: times }, () => trials.take(address))
  return { clock, trials, taken }
}

describe('wrong passwords of one address', () => {
  it('are tried so many a minute, at once or one after the other', () => {
    const { clock, taken } = setUp(3)
    expect(taken('192.0.2.7', 5)).toEqual([true, true, true, false, false])
    clock.ms += 19_999
    expect(taken('192.0.2.7', 1)).toEqual([false])
    clock.ms += 1
    expect(taken('192.0.2.7', 2)).toEqual([true, false])
    clock.ms += 3_600_000
    expect(taken('192.0.2.7', 4)).toEqual([true, true, true, false])
  })

  it('leave the tries of other addresses', () => {
    const { taken } = setUp(1)
    expect([...taken('192.0.2.7', 2), ...taken('192.0.2.8', 1)]).toEqual([true, false, true])
  })

  it.each([
    ['2001:db8:0:1::7', '2001:db8:0:1:ffff::1', true],
    ['2001:db8::7', '2001:db8:0:0:1:2:3:4', true],
    ['2001:DB8::7', '2001:db8::8', true],
    ['::1', '::2', true],
    ['fe80::1%eth0', 'fe80::2', true],
    ['2001:db8:0:1::7', '2001:db8:0:2::7', false],
    ['::ffff:192.0.2.7', '::ffff:192.0.2.8', false],
    ['', '192.0.2.7', false],
  ])('are counted for a whole /64 of IPv6: %s, %s: %s', (one, other, together) => {
    const { taken } = setUp(1)
    expect([...taken(one, 1), ...taken(other, 1)]).toEqual([true, !together])
  })
})

it('right passwords cost nothing, and save nothing up', () => {
  const { trials, taken } = setUp(2)
  for (let times = 0; times < 100; times++) {
    expect(trials.take('a')).toBe(true)
    trials.giveBack('a')
  }
  trials.giveBack('a')
  expect(taken('a', 3)).toEqual([true, true, false])
})

it('whatever is asked when, never more are wrong than the burst and what the minutes add', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.array(fc.nat(30_000), { maxLength: 200 }), (perMinute, waits) => {
      const { clock, trials } = setUp(perMinute)
      const begin = clock.ms
      let taken = 0
      for (const wait of waits) {
        clock.ms += wait
        if (trials.take('a')) taken++
        expect(taken).toBeLessThanOrEqual(perMinute + ((clock.ms - begin) * perMinute) / 60_000 + 1e-6)
      }
    }),
  )
})

it('remembers so many addresses and no more', () => {
  const { taken } = setUp(1)
  for (let index = 0; index < 20_000; index++) taken(`192.0.2.${index}`, 1)
  expect(taken('192.0.2.19999', 1)).toEqual([false])
  expect(taken('192.0.2.0', 1)).toEqual([true])
})
