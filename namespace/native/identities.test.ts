/** Identity never leaks from one call to another, whatever thread it lands on. Needs root: only then there are identities to take. */
import { mkdtempSync } from 'node:fs'
import { chmod, chown, mkdir, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openPosixFiles } from '../posix-files.ts'
import { removeDirectory } from '../testing/fixture.ts'

const isRoot = process.getuid?.() === 0
const CALLS = 50_000
const IN_FLIGHT = 64

/** User i reads what is theirs, what their own group may and what one of their further groups may; nothing else. */
const users = Array.from({ length: 20 }, (_, i) => ({ uid: 30_000 + i, gid: 40_000 + i, groups: [50_000 + i, 60_000] }))
type User = (typeof users)[number]

const seed = Number(process.env.CAUSEWAY_SEED ?? Math.floor(Math.random() * 2 ** 31))
let state = seed
/** 0 … n - 1; https://en.wikipedia.org/wiki/Linear_congruential_generator, the constants of Numerical Recipes. */
const upTo = (n: number): number => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return Math.floor((state / 2 ** 32) * n)
}

let tree: string

beforeAll(async () => {
  if (!isRoot) return
  tree = mkdtempSync(join(tmpdir(), 'causeway-identities-'))
  await chmod(tree, 0o755)
  await mkdir(join(tree, 'shared'))
  await chmod(join(tree, 'shared'), 0o1777)
  for (const [i, { uid, gid, groups }] of users.entries()) {
    await file(`mine-${i}`, uid, 0, 0o600)
    await file(`group-${i}`, 0, gid, 0o640)
    await file(`further-${i}`, 0, groups[0] ?? 0, 0o640)
  }
  await file('everyone', 0, 60_000, 0o640)
})

afterAll(async () => {
  if (isRoot) await removeDirectory(tree)
})

async function file(name: string, uid: number, gid: number, mode: number): Promise<void> {
  await writeFile(join(tree, name), name)
  await chown(join(tree, name), uid, gid)
  await chmod(join(tree, name), mode)
}

test(`${users.length} users, ${IN_FLIGHT} calls at once: nobody reads what another may, nobody is refused what is theirs, each file is its maker's (${seed})`, {
  timeout: 120_000,
}, async (context) => {
  if (!isRoot) context.skip('needs root')
  const files = openPosixFiles(tree, { threads: 8 })
  const tally = { allowed: 0, refused: 0, made: 0 }
  const wrong: string[] = []
  let left = CALLS
  const one = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      const asker = upTo(users.length)
      const kind = upTo(20) === 0 ? 'make' : 'read'
      const outcome =
        kind === 'make' ? await make(asker, left) : await read(asker, upTo(5) < 2 ? asker : other(asker))
      if (outcome === 'wrong') wrong.push(`${kind} of user ${asker}`)
      else tally[outcome] += 1
    }
  }
  /** The user after, or any further one, but never `i`. */
  const other = (i: number): number => (i + 1 + upTo(users.length - 1)) % users.length

  async function read(asker: number, owner: number): Promise<'allowed' | 'refused' | 'wrong'> {
    const name = upTo(10) === 0 ? 'everyone' : `${['mine', 'group', 'further'][upTo(3)]}-${owner}`
    const body = await files
      .as(users[asker])
      .find(name, { attribute: '', bodyBytesMax: 100, keepOpen: false })
      .then(
        (found) => String(found?.body),
        (error: { code?: string }) => String(error.code),
      )
    const may = asker === owner || name === 'everyone'
    if (body !== (may ? name : 'EACCES')) return 'wrong'
    return may ? 'allowed' : 'refused'
  }

  async function make(asker: number, serial: number): Promise<'made' | 'wrong'> {
    const calls = files.as(users[asker])
    const path = `shared/${serial}`
    await calls.close(await calls.create(path, 0o640, true))
    const { uid, gid } = await stat(join(tree, path))
    const { uid: wantedUid, gid: wantedGid } = users[asker] as User
    // The service comes in between, on the same threads.
    const seen = await files.as(undefined).statPath(path)
    return uid === wantedUid && gid === wantedGid && seen?.uid === wantedUid ? 'made' : 'wrong'
  }

  try {
    await Promise.all(Array.from({ length: IN_FLIGHT }, one))
  } finally {
    files.close()
  }
  expect(wrong).toEqual([])
  expect(tally.refused).toBeGreaterThan(CALLS * 0.5)
  expect(tally.allowed).toBeGreaterThan(CALLS * 0.4)
  expect(tally.made).toBeGreaterThan(CALLS * 0.03)
})
