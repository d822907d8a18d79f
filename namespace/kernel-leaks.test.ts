/**
 * With enforcement `kernel` nobody gets what is another's, whatever thread a request lands on, and whatever is killed under way: requests of 20 users,
 * 64 at once, of which the kernel has to refuse about half. Needs root. `CAUSEWAY_SEED` repeats a run. The same of the addon alone, undisturbed:
 * native/identities.test.ts.
 */
import { chmod, chown, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type KernelTree, type On, openKernelTree } from './testing/kernel-tree.ts'
import type { Who } from './testing/kernel-worker.ts'

const IN_FLIGHT = 64

type Run = { readonly on: On; readonly calls: number; readonly kills: number; readonly versioned: boolean }

/** In a versioned bucket the service looks at each file that is replaced; as on NFS its threads are the file's owner for that. */
const runs: readonly Run[] =
  // On a mount, that of the lab: its guest is slow.
  process.env.NAMESPACE_ROOT === undefined
    ? [
        { on: 'as it is', calls: 50_000, kills: 12, versioned: false },
        { on: 'as on NFS', calls: 4000, kills: 3, versioned: true },
      ]
    : [
        { on: 'as it is', calls: 5000, kills: 4, versioned: false },
        { on: 'as it is', calls: 2000, kills: 2, versioned: true },
      ]

type User = Who & { readonly posix: NonNullable<Who['posix']> }

/** User i reads what is theirs, what their own group may and what one of their further groups may; nothing else. */
const users: readonly User[] = Array.from({ length: 20 }, (_, i) => ({
  name: `user${i}`,
  posix: { uid: 30_000 + i, gid: 40_000 + i, groups: [50_000 + i, 60_000] },
}))

const seed = Number(process.env.CAUSEWAY_SEED ?? Math.floor(Math.random() * 2 ** 31))
let state = seed
/** 0 … n - 1; https://en.wikipedia.org/wiki/Linear_congruential_generator, the constants of Numerical Recipes. */
const upTo = (n: number): number => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return Math.floor((state / 2 ** 32) * n)
}

async function plant(tree: KernelTree, versioned: boolean): Promise<void> {
  const [first] = users
  await tree.ask(first, 'createBucket', 'mixed')
  const bucket = join(tree.directory, 'mixed')
  await chmod(bucket, 0o755)
  await mkdir(join(bucket, 'shared'))
  await chmod(join(bucket, 'shared'), 0o1777)
  if (versioned) await tree.ask(first, 'version', 'mixed', 'Enabled')
  const file = async (name: string, uid: number, gid: number, mode: number): Promise<void> => {
    await writeFile(join(bucket, name), name)
    await chown(join(bucket, name), uid, gid)
    await chmod(join(bucket, name), mode)
  }
  for (const [i, { posix }] of users.entries()) {
    await file(`mine-${i}`, posix.uid, 0, 0o600)
    await file(`group-${i}`, 0, posix.gid, 0o640)
    await file(`further-${i}`, 0, posix.groups[0] ?? 0, 0o640)
    await mkdir(join(bucket, `home-${i}`))
    await chown(join(bucket, `home-${i}`), posix.uid, posix.gid)
    await chmod(join(bucket, `home-${i}`), 0o711)
  }
  await file('everyone', 0, 60_000, 0o640)
}

describe.skipIf(process.getuid?.() !== 0)('enforcement kernel', () => {
  test.each(runs)(
    `nobody gets what is another's, nobody is refused what is theirs, with the gateway killed $kills times, the file system $on, versions kept: $versioned (${seed})`,
    async ({ on, calls, kills, versioned }) => {
      const tree = await openKernelTree(on)
      const tally = { allowed: 0, refused: 0, killed: 0 }
      const wrong: string[] = []
      const made = new Map<string, number>()
      let left = calls

      async function one(): Promise<void> {
        while (left > 0) {
          left -= 1
          const asker = upTo(users.length)
          const owner = upTo(10) < 3 ? asker : (asker + 1 + upTo(users.length - 1)) % users.length
          const call = [read, read, write, share][upTo(12) % 4] ?? read
          const may = asker === owner || call === share
          const name = nameFor(call, owner, left)
          if (call !== read && may) made.set(name, asker)
          const { code, value } = await ask(call, asker, name)
          if (code === 'killed') tally.killed += 1
          else if (code !== (may ? undefined : 'AccessDenied')) wrong.push(`${asker} at ${name}: ${code}`)
          else if (may && call === read && value !== name) wrong.push(`${asker} at ${name}: ${value}`)
          else tally[may ? 'allowed' : 'refused'] += 1
        }
      }
      const [read, write, share] = ['read', 'write', 'share'] as const
      const nameFor = (call: 'read' | 'write' | 'share', owner: number, serial: number): string => {
        if (call === 'read') return `${['mine', 'group', 'further'][upTo(3)]}-${owner}`
        return call === 'write' ? `home-${owner}/${serial % 50}` : `shared/${serial}`
      }
      const ask = (call: 'read' | 'write' | 'share', asker: number, name: string) =>
        call === 'read'
          ? tree.ask(users[asker], 'get', 'mixed', name)
          : tree.ask(users[asker], 'put', 'mixed', name, String(asker))

      try {
        await plant(tree, versioned)
        const running = Promise.all(Array.from({ length: IN_FLIGHT }, one))
        for (let kill = 1; kill <= kills; kill += 1) {
          while (left > calls * (1 - kill / (kills + 1))) await new Promise((resolve) => setTimeout(resolve, 10))
          await tree.kill()
        }
        await running
        expect(wrong).toEqual([])
        for (const directory of ['shared', ...users.map((_, i) => `home-${i}`)]) {
          for (const entry of await readdir(join(tree.directory, 'mixed', directory))) {
            // What a killed process was writing has no name of a key, and is of the same user.
            const path = join(tree.directory, 'mixed', directory, entry)
            const facts = await stat(path)
            const text = entry.startsWith('.s3-') ? undefined : await readFile(path, 'utf8')
            const maker = text === undefined ? facts.uid - 30_000 : Number(text)
            if (text !== undefined && made.get(`${directory}/${entry}`) !== maker && directory === 'shared')
              wrong.push(path)
            if (directory !== 'shared' && `home-${maker}` !== directory) wrong.push(path)
            if (facts.uid !== 30_000 + maker || facts.gid !== 40_000 + maker) wrong.push(path)
          }
        }
        expect(wrong).toEqual([])
        // The whole run has half of its calls refused; a share of a shorter one is chance, and its kills take more of it.
        const isWhole = calls === 50_000
        expect(tally.refused).toBeGreaterThan(calls * (isWhole ? 0.5 : 0.3))
        expect(tally.allowed).toBeGreaterThan(calls * (isWhole ? 0.4 : 0.3))
        expect(tally.killed).toBeGreaterThan(0)
        console.info(`${tally.allowed} allowed, ${tally.refused} refused, ${tally.killed} killed`)
      } finally {
        await tree.close()
      }
    },
    300_000,
  )
})
