/** How the addon starts, ends and is torn down: each case in a process of its own. */
import { execFile, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'

const here = import.meta.dirname

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'causeway-process-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** Runs a piece of TypeScript with `files` and `calls` on the directory; answers what it printed, how it ended and how long it took. */
async function run(body: string): Promise<{ out: string; code: number | string; ms: number }> {
  const program = `
    import { openPosixFiles } from '${join(here, '../posix-files.ts')}'
    const files = openPosixFiles('${directory}', { threads: 2 })
    const calls = files.as(undefined)
    const slow = async (megabytes: number) => {
      const [source, target] = await Promise.all(['source', 'target'].map((name) => calls.create(name, 0o644, false)))
      await calls.write(source!, Buffer.alloc(4096, 'x'), megabytes * 1048576)
      return calls.copyRange(source!, 1, target!, 0, megabytes * 1048576)
    }
    ${body}`
  const file = join(directory, 'program.mts')
  writeFileSync(file, program)
  const started = Date.now()
  const result = await promisify(execFile)(process.execPath, [file], { timeout: 20_000 }).then(
    ({ stdout, stderr }) => ({ out: stdout + stderr, code: 0 }),
    (error) => ({ out: `${error.stdout}${error.stderr}`, code: error.code ?? error.signal }),
  )
  return { ...result, ms: Date.now() - started }
}

test('a process whose Files are open but idle ends by itself', async () => {
  expect(await run(`await calls.statPath(''); console.log('done')`)).toMatchObject({ out: 'done\n', code: 0 })
})

test('a promise that is pending keeps the process alive until it is settled', async () => {
  expect(await run(`slow(64).then((bytes) => console.log('copied', bytes))`)).toMatchObject({
    out: 'copied 67108864\n',
    code: 0,
  })
})

test('process.exit with jobs running and queued ends at once', async () => {
  const ended = await run(`
    const started = Date.now()
    for (let i = 0; i < 8; i++) void slow(4096)
    setTimeout(() => { process.on('exit', () => console.log('exit')); process.exit(7) }, 100)`)
  expect(ended).toMatchObject({ out: 'exit\n', code: 7 })
  expect(ended.ms).toBeLessThan(5000)
})

test('an uncaught error with jobs running ends the process at once', async () => {
  const ended = await run(
    `for (let i = 0; i < 8; i++) void slow(4096); setTimeout(() => { throw new Error('boom') }, 100)`,
  )
  expect(ended.code).toBe(1)
  expect(ended.out).toContain('boom')
  expect(ended.ms).toBeLessThan(5000)
})

test('a send that waits for its reader does not hold up process.exit', async () => {
  const ended = await run(`
    import { createServer, connect } from 'node:net'
    const file = await calls.create('big', 0o644, true)
    await calls.truncate(file, 100_000_000)
    const server = createServer((socket) => {
      void calls.sendFile((socket as any)._handle.fd, file, 0, 100_000_000)
      setTimeout(() => { console.log(files.load()); process.exit(0) }, 200)
    }).listen('${directory}/socket', () => connect('${directory}/socket').pause())`)
  expect(ended).toMatchObject({ out: '{ queued: 0, running: 0, oldestMs: 0 }\n', code: 0 })
})

test('worker threads come and go, with jobs running, queued and waiting', async () => {
  writeFileSync(
    join(directory, 'worker.mts'),
    `
    import { createServer, connect } from 'node:net'
    import { parentPort, threadId } from 'node:worker_threads'
    import { openPosixFiles } from '${join(here, '../posix-files.ts')}'
    const files = openPosixFiles('${directory}', { threads: 3 })
    const calls = files.as(undefined)
    const source = await calls.create('s' + threadId, 0o644, true)
    const target = await calls.create('t' + threadId, 0o644, true)
    await calls.truncate(source, 2 ** 28)
    const into = new Uint8Array(8_000_000)
    const server = createServer((socket) => {
      void calls.sendFile((socket as any)._handle.fd, source, 0, 2 ** 28)
      void calls.copyRange(source, 1, target, 0, 2 ** 28)
      for (let i = 0; i < 20; i++) void calls.read(source, into, i)
      for (let i = 0; i < 5; i++) void calls.write(target, into, 0, files.createHasher(['MD5']))
      for (let i = 0; i < 500; i++) void calls.statPath('')
      setTimeout(() => parentPort?.postMessage('busy'), 50)
    }).listen('${directory}/w' + threadId, () => connect('${directory}/w' + threadId).pause())`,
  )
  const ended = await run(`
    import { Worker } from 'node:worker_threads'
    import { once } from 'node:events'
    for (let round = 0; round < 2; round++) {
      const workers = [1, 2].map(() => new Worker('${directory}/worker.mts'))
      await Promise.all(workers.map((worker) => once(worker, 'message')))
      await Promise.all(workers.map((worker) => worker.terminate()))
    }
    console.log((await calls.statPath(''))?.type)`)
  expect(ended).toMatchObject({ out: 'directory\n', code: 0 })
})

test('without rights to switch, an identity is ENOTSUP and everything else works', async (context) => {
  if (process.getuid?.() !== 0) context.skip('not root')
  const ended = await run(`
    process.setgroups?.([]); process.setgid?.(65534); process.setuid?.(65534)
    const own = (await import('${join(here, '../posix-files.ts')}')).openPosixFiles('${directory}', { threads: 2 })
    const user = own.as({ uid: 2000, gid: 2000, groups: [2001] })
    for (let i = 0; i < 3; i++) {
      console.log(await user.statPath('').catch((error) => error.code + ' ' + error.syscall))
      console.log((await own.as(undefined).space()).totalBytes > 0)
    }`)
  expect(ended).toMatchObject({ out: 'ENOTSUP setfsuid\ntrue\n'.repeat(3), code: 0 })
})

test('a service that holds DAC_OVERRIDE without being root opens nothing for its users that they may not', async (context) => {
  if (process.getuid?.() !== 0 || spawnSync('/usr/bin/setpriv', ['--version']).status !== 0)
    context.skip('needs root and setpriv')
  mkdirSync(join(directory, 'tree'))
  writeFileSync(join(directory, 'tree/secret'), 'secret')
  chownSync(join(directory, 'tree/secret'), 2000, 2000)
  chmodSync(join(directory, 'tree/secret'), 0o600)
  chmodSync(join(directory, 'tree'), 0o755)
  chmodSync(directory, 0o755)
  writeFileSync(
    join(directory, 'service.mts'),
    `
    import { openPosixFiles } from '${join(here, '../posix-files.ts')}'
    const files = openPosixFiles('${directory}/tree', { threads: 1 })
    const read = (uid?: number) =>
      files.as(uid === undefined ? undefined : { uid, gid: uid, groups: [] })
        .find('secret', { attribute: '', bodyBytesMax: 100, keepOpen: false })
        .then((found) => String(found?.body), (error) => error.code)
    console.log(process.getuid?.(), await read(), await read(2000), await read(2001), await read(), await read(2001))`,
  )
  const held = '+setuid,+setgid,+dac_override'
  const user = ['--reuid', '4242', '--regid', '4242', '--clear-groups', '--inh-caps', held, '--ambient-caps', held]
  const { stdout, stderr } = spawnSync(
    '/usr/bin/setpriv',
    [...user, process.execPath, join(directory, 'service.mts')],
    {
      encoding: 'utf8',
    },
  )
  if (/EACCES|Permission denied/.test(stderr)) context.skip('the checkout is not readable for another user')
  // One thread serves all: it gives the right up for each user, and has it back for the service.
  expect(stdout + stderr).toBe('4242 secret secret EACCES secret EACCES\n')
})

test('build.sh says in one sentence what is missing, and needs no node on PATH', () => {
  const project = join(directory, 'project')
  const folder = join(project, 'namespace/native')
  mkdirSync(folder, { recursive: true })
  for (const name of readdirSync(here).filter((file) => /\.(cc|h|sh)$/.test(file)))
    copyFileSync(join(here, name), join(folder, name))
  const build = (env: Record<string, string>) => {
    const { status, stderr } = spawnSync('/bin/sh', [join(folder, 'build.sh')], {
      env: { PATH: '/usr/bin:/bin', ...env },
      encoding: 'utf8',
    })
    return { status, stderr }
  }
  const noHeaders = build({})
  expect(noHeaders.status).toBe(1)
  expect(noHeaders.stderr).toMatch(/^causeway: the package node-linux-\w+ .*npm ci.*\n$/)
  symlinkSync(join(here, '../../node_modules'), join(project, 'node_modules'))
  const noCompiler = build({ CXX: 'no-such-compiler' })
  expect(noCompiler.status).toBe(1)
  expect(noCompiler.stderr).toMatch(/^causeway: no C\+\+ compiler .*apt-get install g\+\+.*\n$/)
  const tools = join(directory, 'tools')
  mkdirSync(tools)
  for (const tool of ['c++', 'as', 'ld', 'uname', 'dirname', 'find', 'mv', 'rm'])
    symlinkSync(
      spawnSync('/bin/sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).stdout.trim(),
      join(tools, tool),
    )
  expect(build({ PATH: tools })).toEqual({ status: 0, stderr: '' })
  expect(readdirSync(folder).filter((file) => file.endsWith('.node'))).toEqual(['causeway.node'])
  // Nothing is newer, so nothing is asked for.
  expect(build({ CXX: 'no-such-compiler' })).toEqual({ status: 0, stderr: '' })
})
