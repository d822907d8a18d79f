/**
 * In the lab's guest: the hard mount of one gateway machine loses its server in the middle of requests (its link goes down), that of the other does
 * not. What hangs here hangs in the kernel. One root on each; what is promised is asserted, what it took is told.
 */
import assert from 'node:assert/strict'
import { mkdir, readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { alice, bodyOf, codeOf, get, listAll, openFixture, plain, put } from '../../namespace/testing/fixture.ts'
import { takeHand } from './history-machines.ts'

const callTimeoutMs = 8000
const mebibyte = 2 ** 20

const place = (name: string): string => {
  const directory = process.env[name]
  if (directory === undefined) throw new Error(`${name} is not set; this runs in the lab's guest.`)
  return directory
}
const far = join(place('LAB_GATEWAY_1'), 'away')
const root = join(place('LAB_GATEWAY_2'), 'here')
const backing = join(place('LAB_BACKING'), 'away', 'bucket')

const began = performance.now()
const tell = (sentence: string) => console.log(`${((performance.now() - began) / 1000).toFixed(1)} s: ${sentence}`)

/** Taken before anything hangs: a process that is forked later closes its copies of files written to, and hangs over that itself. */
const hand = takeHand()
const link = {
  down: 'ip link set lab1 down',
  // The route goes with the link.
  up: 'ip link set lab1 up && ip route replace 10.8.1.2/32 dev lab1',
} as const

async function until(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  for (const last = performance.now() + 240_000; !(await condition()); await sleep(200))
    assert(performance.now() < last, `${what}: not within four minutes`)
  tell(what)
}

/** In the bucket that goes away. */
async function openFiles(): Promise<readonly string[]> {
  const numbers = await readdir('/proc/self/fd')
  const targets = await Promise.all(numbers.map((number) => readlink(`/proc/self/fd/${number}`).catch(() => '')))
  return targets.filter((target) => target.startsWith(`${far}/bucket/`))
}

/** Looked at behind the mount. */
async function leftOvers(): Promise<readonly string[]> {
  const names = await readdir(backing, { recursive: true })
  return names.filter((name) => /(^|\/)(\.s3-|\.nfs)|\/(data|claim)\.|\.tmp$/.test(name))
}

await mkdir(join(far, 'bucket'), { recursive: true })
await mkdir(root)
const options = { roots: [far], threads: 16, callTimeoutMs, lockTimeoutMs: 3000, durability: 'strict' } as const
const { namespace, open } = await openFixture({ root, ...options })
await namespace.buckets.create('docs')
await namespace.buckets.map('far', join(far, 'bucket'), alice)
await put(namespace, 'far', 'k', 'old')
await put(namespace, 'far', 'large', Buffer.alloc(4 * mebibyte, 'x'))
tell('two roots, a bucket on each')

const isAway = Promise.withResolvers<void>()
async function* interruptedBody(): AsyncGenerator<Buffer> {
  yield Buffer.alloc(mebibyte, 'a')
  await hand.run(link.down)
  tell('the server of one is away')
  isAway.resolve()
  yield Buffer.alloc(mebibyte, 'b')
}
const body = { ...bodyOf(''), sizeBytes: 2 * mebibyte, bytes: interruptedBody() }
const requests = [codeOf(namespace.objects.put({ bucket: 'far', key: 'body' }, plain, body, {}))]
await isAway.promise
requests.push(
  codeOf(put(namespace, 'far', 'k', 'new')),
  codeOf(put(namespace, 'far', 'd/e', 'new')),
  codeOf(get(namespace, 'far', 'large')),
  codeOf(namespace.objects.remove({ bucket: 'far', key: 'k' }, {})),
  codeOf(listAll(namespace, 'far')),
  codeOf(namespace.uploads.begin({ bucket: 'far', key: 'u' }, plain, undefined)),
)
for (let round = 0; round < 5; round += 1) {
  await put(namespace, 'docs', `k${round}`, 'here')
  assert.equal(await get(namespace, 'docs', `k${round}`), 'here')
  assert.deepEqual(
    (await namespace.buckets.list()).map(({ name }) => name),
    ['docs', 'far'],
  )
}
tell('the other bucket is written, read, and both are listed')

assert.deepEqual(await Promise.all(requests), Array(requests.length).fill('SlowDown'))
tell(`${requests.length} requests are answered SlowDown; ${JSON.stringify(open.load())}`)
await until('the root is told of', () => open.troubles().length === 1)
assert.deepEqual(open.troubles(), [{ path: far, isMain: false, trouble: 'does not answer' }])
const { hung } = open.load()
for (let count = 0; count < 50; count += 1) assert.equal(await codeOf(get(namespace, 'far', 'k')), 'SlowDown')
assert.equal(open.load().hung, hung)
tell(`50 more are refused, and nothing more hangs than the ${hung}`)

await hand.run(link.up)
tell('the server is back')
await until('the root answers', () => open.troubles().length === 0)
await until('nothing hangs any more', () => open.load().hung === 0)
await put(namespace, 'far', 'k', 'newest')
assert.equal(await get(namespace, 'far', 'k'), 'newest')
assert((await listAll(namespace, 'far')).includes('k'))
tell('its bucket is written, read and listed')
await until('no descriptor is left open', async () => (await openFiles()).length === 0)
await until('no temporary is left', async () => (await leftOvers()).length === 0)
await open.close()
hand.end()
