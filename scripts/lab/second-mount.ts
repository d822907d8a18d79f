/**
 * Runs in the guest: the export once more through a gateway's machine, as namespace.publish_root wants it. With nosharecache it is a mount with a
 * superblock and counters of its own, so what is renamed through it meets no file that the first one has open; without, the kernel
 * answers with the first mount under another name. Exit code 1 and a sentence where not.
 */
import assert from 'node:assert/strict'
import { open, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { labPlace } from './history-lab.ts'
import { mountAgain, takeHand } from './history-machines.ts'
import { callsOf, mountStatsOf } from './mountstats.ts'

const first = labPlace('LAB_GATEWAY_1')
const second = '/mnt/gateway1-second'
const shared = '/mnt/gateway1-shared'
const machine = { name: 'gateway1', number: 1 } as const

const hand = takeHand()
await mountAgain(hand, machine, second, 'lookupcache=none,nosharecache')
await mountAgain(hand, machine, shared, 'lookupcache=none')
hand.end()

const deviceOf = async (directory: string): Promise<number> => (await stat(directory)).dev
const renamesOf = async (directory: string): Promise<number> => callsOf(await mountStatsOf(directory), 'RENAME')

/** Renames over a file that the first mount has open. How many renames each mount has sent. */
async function renameThrough(directory: string) {
  await writeFile(join(first, 'old'), 'old')
  await writeFile(join(first, 'new'), 'new')
  const reader = await open(join(first, 'old'))
  const before = { first: await renamesOf(first), through: await renamesOf(directory) }
  await rename(join(directory, 'new'), join(directory, 'old'))
  const sent = {
    first: (await renamesOf(first)) - before.first,
    through: (await renamesOf(directory)) - before.through,
  }
  await reader.close()
  return sent
}

const sent = await renameThrough(second)
console.log(
  `with nosharecache: device ${await deviceOf(second)} beside ${await deviceOf(first)}; renames sent ${JSON.stringify(sent)}`,
)
assert.notEqual(await deviceOf(second), await deviceOf(first), 'the second mount has the superblock of the first')
assert.deepEqual(sent, { first: 0, through: 1 }, 'a rename through the second mount is not counted there alone')

// That the check can fail: an ordinary second mount is the first one, and the kernel moves what is open out of the way by a rename of its own.
const same = await renameThrough(shared)
console.log(`without: device ${await deviceOf(shared)}; renames sent ${JSON.stringify(same)}`)
assert.equal(await deviceOf(shared), await deviceOf(first), 'an ordinary second mount has a superblock of its own')
assert.deepEqual(same, { first: 2, through: 2 }, 'an ordinary second mount does not move an open file aside')
