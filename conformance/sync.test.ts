/**
 * The main job: the aws cli copies a real tree in and out over https, and the bucket's directory is that tree. boto3 likewise.
 *
 *     CAUSEWAY_SYNC_TREE=/usr/share/doc CAUSEWAY_LARGE_BYTES=5000000000 npx vitest run conformance/sync.test.ts
 */
import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { appendFile, cp, lstat, mkdir, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Instance, projectDirectory, startInstance, temporaries } from './instance.ts'
import { randomBytesOf } from './random.ts'

const LARGE_BYTES = Number(process.env.CAUSEWAY_LARGE_BYTES ?? 300 * 1024 * 1024)
const GIVEN_TREE = process.env.CAUSEWAY_SYNC_TREE
/** Of the tree that is used where none is given. */
const FILES_MAX = 800
const PATIENCE_MS = GIVEN_TREE === undefined && process.env.CAUSEWAY_LARGE_BYTES === undefined ? 120_000 : 3_600_000

let instance: Instance
let work: string
let tree: string
let bucketDirectory: string

beforeAll(async () => {
  for (const program of ['aws', 'python']) {
    const path = join(projectDirectory, '.venv/bin', program)
    expect(existsSync(path), `${path} is missing: run scripts/setup-conformance once`).toBe(true)
  }
  instance = await startInstance()
  work = join(instance.directory, 'work')
  await mkdir(work)
  tree = GIVEN_TREE ?? (await makeTree(join(work, 'tree')))
  bucketDirectory = join(instance.tree, 'docs')
}, 200_000)

afterAll(async () => {
  await instance?.stop()
})

/** Part of this machine's documentation, if it has any, and names that are hard to carry. No links: S3 has none. */
async function makeTree(directory: string): Promise<string> {
  await mkdir(join(directory, 'hard'), { recursive: true })
  const names = [
    'with blanks  in it',
    'plus+and%25',
    'Größe',
    'cafe\u0301',
    'caf\u00e9',
    '.hidden',
    "it's [1] & <2>",
    'x'.repeat(200),
    '文档.txt',
    '~#?;:@=',
  ]
  for (const name of names) await writeFile(join(directory, 'hard', name), `content of ${name}`)
  await writeFile(join(directory, 'hard', 'empty'), '')
  await writeFile(join(directory, 'hard', 'above the multipart threshold'), randomBytesOf(1, 9 * 1024 * 1024 + 5))
  await mkdir(join(directory, 'deep', ...Array.from({ length: 20 }, (_, index) => `level ${index}`)), {
    recursive: true,
  })
  await writeFile(
    join(directory, 'deep', ...Array.from({ length: 20 }, (_, index) => `level ${index}`), 'file'),
    'down here',
  )
  let left = FILES_MAX
  for (const name of existsSync('/usr/share/doc') ? (await readdir('/usr/share/doc')).sort() : []) {
    const source = join('/usr/share/doc', name)
    if (left <= 0 || !(await lstat(source)).isDirectory()) continue
    const files = await readdir(source, { recursive: true, withFileTypes: true })
    if (files.some((file) => !file.isFile() && !file.isDirectory())) continue
    await cp(source, join(directory, 'doc', name), { recursive: true })
    left -= files.filter((file) => file.isFile()).length
  }
  for (let index = 0; index < left; index++) {
    const place = join(directory, 'made', String(index % 17), String(index % 5))
    await mkdir(place, { recursive: true })
    await writeFile(join(place, `file ${index}`), randomBytesOf(index, (index * index) % 40_000))
  }
  return directory
}

const environment = () => ({ ...instance.env, AWS_EC2_METADATA_DISABLED: 'true', HOME: work })

async function aws(...options: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await execa(
    join(projectDirectory, '.venv/bin/aws'),
    ['--endpoint-url', instance.endpoint, 's3', ...options],
    { reject: false, stdin: 'ignore', timeout: PATIENCE_MS, env: environment() },
  )
  expect({ exitCode, stderr }, `aws s3 ${options.join(' ')}`).toEqual({ exitCode: 0, stderr: '' })
  return stdout
}

/** Of the two trees, `.s3` apart. Empty output and exit code 0: they are the same. */
async function expectSame(one: string, other: string): Promise<void> {
  const { exitCode, stdout, stderr } = await execa('diff', ['-r', '-q', '--exclude=.s3', one, other], { reject: false })
  expect({ exitCode, stdout, stderr }).toEqual({ exitCode: 0, stdout: '', stderr: '' })
}

test('aws s3 sync of a tree: the directory of the bucket is that tree', { timeout: PATIENCE_MS }, async () => {
  await aws('mb', 's3://docs')
  await aws('sync', '--only-show-errors', tree, 's3://docs/')
  await expectSame(tree, bucketDirectory)
  expect(await temporaries(instance.tree)).toEqual([])
  // A second one finds nothing to do.
  expect(await aws('sync', tree, 's3://docs/')).toBe('')
})

test('aws s3 ls names every file with its size', { timeout: PATIENCE_MS }, async () => {
  const lines = (await aws('ls', '--recursive', 's3://docs/')).split('\n')
  const listed = lines.map((line) => /^\S+ \S+ +(\d+) (.*)$/.exec(line)).map((found) => `${found?.[2]} ${found?.[1]}`)
  // Links are followed, as the aws cli does it.
  const { stdout } = await execa('find', ['-L', tree, '-type', 'f', '-printf', '%P %s\\n'])
  expect(listed.sort()).toEqual(stdout.split('\n').sort())
})

test('a file that is edited, added or removed in the directory is seen by ls and cp at once', {
  timeout: 60_000,
}, async () => {
  const file = join(bucketDirectory, 'notes', 'today.txt')
  await mkdir(join(bucketDirectory, 'notes'))
  await writeFile(file, 'first')
  expect(await aws('ls', 's3://docs/notes/')).toMatch(/ 5 today\.txt$/)
  expect(await aws('cp', 's3://docs/notes/today.txt', '-')).toBe('first')
  await appendFile(file, ' and more')
  expect(await aws('cp', 's3://docs/notes/today.txt', '-')).toBe('first and more')
  await rm(join(bucketDirectory, 'notes'), { recursive: true })
  expect(await aws('ls', 's3://docs/')).not.toContain('notes')
})

test('sync back out: the same tree again', { timeout: PATIENCE_MS }, async () => {
  await aws('sync', '--only-show-errors', 's3://docs/', join(work, 'back'))
  await expectSame(tree, join(work, 'back'))
})

test('a large file goes up in parts and comes down the same', { timeout: PATIENCE_MS }, async () => {
  const [large, back] = [join(work, 'large'), join(work, 'large-back')]
  await writeLarge(large, LARGE_BYTES)
  await aws('cp', '--only-show-errors', large, 's3://docs/large/file')
  expect((await stat(join(bucketDirectory, 'large/file'))).size).toBe(LARGE_BYTES)
  await aws('cp', '--only-show-errors', 's3://docs/large/file', back)
  const digests = await Promise.all([large, join(bucketDirectory, 'large/file'), back].map(digestOf))
  expect(new Set(digests).size).toBe(1)
  await Promise.all([large, back].map((path) => rm(path)))
})

/** Blocks that are all different, with holes between some of them. */
async function writeLarge(path: string, sizeBytes: number): Promise<void> {
  const file = await open(path, 'w')
  const block = 1024 * 1024
  for (let at = 0; at < sizeBytes; at += block) {
    if ((at / block) % 16 === 15) continue
    await file.write(randomBytesOf(at, Math.min(block, sizeBytes - at)), 0, undefined, at)
  }
  await file.truncate(sizeBytes)
  await file.close()
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(piece)
  return hash.digest('hex')
}

test('mv, rm --recursive and rb: nothing is left', { timeout: PATIENCE_MS }, async () => {
  await aws('mv', '--only-show-errors', 's3://docs/large/file', 's3://docs/moved to/here')
  expect((await stat(join(bucketDirectory, 'moved to/here'))).size).toBe(LARGE_BYTES)
  await aws('rm', '--only-show-errors', '--recursive', 's3://docs/')
  expect((await readdir(bucketDirectory)).filter((name) => name !== '.s3')).toEqual([])
  await aws('rb', 's3://docs')
  expect(existsSync(bucketDirectory)).toBe(false)
  expect(await aws('ls')).toBe('')
})

test('boto3: transfer manager, paginators, errors', { timeout: 120_000 }, async () => {
  const scratch = join(work, 'boto3')
  await mkdir(scratch)
  const script = join(projectDirectory, 'conformance/transfer.py')
  const { exitCode, stderr } = await execa(
    join(projectDirectory, '.venv/bin/python'),
    [script, 'from-boto3', scratch],
    {
      reject: false,
      stdin: 'ignore',
      timeout: 110_000,
      env: environment(),
    },
  )
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  expect(existsSync(join(instance.tree, 'from-boto3'))).toBe(false)
})

test('the gateway has met nothing unexpected, and its tree fits the format', { timeout: 60_000 }, async () => {
  expect(await instance.errors()).toEqual([])
  const { exitCode, stdout } = await instance.causeway(['check'])
  expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: 'The tree fits the format.' })
  expect(await readFile(join(instance.tree, '.causeway/format'), 'utf8')).toContain('"version"')
})
