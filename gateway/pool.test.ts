import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { RootTrouble } from '#namespace'
import { type ConfigOverrides, loadConfig, underDataDirectory } from './config.ts'
import { type Pool, startPool } from './pool.ts'

const program = fileURLToPath(new URL('./testing/tiny-worker.ts', import.meta.url))
const log = pino({ level: 'silent' })

let directory: string
let pool: Pool | undefined

const configWith = (changes: ConfigOverrides = {}) =>
  loadConfig(undefined, { ...underDataDirectory(directory), pool: { workers: 2, drain_seconds: 5 }, ...changes }, {})

const start = async (changes: ConfigOverrides = {}) => {
  pool = await startPool(configWith(changes), { program, log })
  return pool
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pool-'))
})

afterEach(async () => {
  await pool?.close()
  pool = undefined
  rmSync(directory, { recursive: true, force: true })
})

it('each worker answers on its own socket, in a directory that strangers cannot enter', async () => {
  const { sockets } = await start()
  expect(sockets).toHaveLength(2)
  const answers = await Promise.all(sockets.map((socket) => ask({ socket })))
  expect(answers.map(({ index }) => index)).toEqual([0, 1])
  expect(statSync(join(directory, 'state', 'sockets')).mode & 0o777).toBe(0o750)
})

it('after close nothing is left: no process, no socket, no address', async () => {
  const { sockets, close, workerPids } = await start()
  const pids = workerPids()
  await close()
  expect(pids).toHaveLength(2)
  for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  for (const path of [...sockets, join(directory, 'state', 'admin.url')]) expect(existsSync(path)).toBe(false)
})

it('a request under way is answered before close is done', async () => {
  const { sockets, close } = await start()
  const slow = ask({ socket: sockets[0], path: '/slow' })
  await sleep(100)
  await close()
  expect(await slow).toMatchObject({ index: 0 })
})

it('a worker killed by SIGKILL is replaced, and whoever connects meanwhile is served', async () => {
  const { sockets, workerPids } = await start()
  const before = workerPids()
  await expect(ask({ socket: sockets[0], path: '/crash' })).rejects.toThrow(/socket hang up|ECONNRESET/)
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask({ socket: sockets[0] })))
  expect(answers).toHaveLength(20)
  await until(() => workerPids().length === 2)
  expect(workerPids()).not.toEqual(before)
  expect(await ask({ socket: sockets[0] })).toMatchObject({ index: 0, pid: workerPids()[0] })
})

it('with every worker killed again and again, connections wait and nobody is refused', async () => {
  const { sockets, workerPids } = await start()
  let asking = true
  const failures: string[] = []
  let answered = 0
  const clients = sockets.map(async (socket) => {
    while (asking) {
      try {
        await ask({ socket })
        answered++
      } catch (error) {
        failures.push(String(error))
      }
    }
  })
  const more = async (count: number): Promise<void> => {
    const enough = answered + count
    await until(() => answered >= enough)
  }
  for (let round = 0; round < 3; round++) {
    await more(10)
    for (const pid of workerPids()) process.kill(pid, 'SIGKILL')
  }
  await more(20)
  asking = false
  await Promise.all(clients)
  // A request that a worker had begun when it was killed is broken; none is refused.
  expect(failures.length).toBeLessThanOrEqual(2 * 3)
  for (const failure of failures) expect(failure).not.toMatch(/ECONNREFUSED|ENOENT/)
})

it('a rolling reload refuses and breaks nothing while clients hammer on kept-alive and on new connections', async () => {
  const { sockets, reload, workerPids } = await start()
  const agents = [new Agent({ keepAlive: true, maxSockets: 4 }), undefined]
  let asking = true
  const regions = new Set<string>()
  const clients = sockets.flatMap((socket) =>
    agents.map(async (agent) => {
      while (asking) regions.add((await ask({ socket, agent, method: 'PUT' })).region)
    }),
  )
  const before = workerPids()
  await sleep(100)
  await reload(configWith({ s3: { region: 'eu-west-1' } }))
  await sleep(100)
  await reload(configWith({ s3: { region: 'eu-west-2' } }))
  await sleep(200)
  asking = false
  await Promise.all(clients) // any refused or broken request rejects here
  expect(regions).toEqual(new Set(['us-east-1', 'eu-west-1', 'eu-west-2']))
  expect(workerPids().some((pid) => before.includes(pid))).toBe(false)
  agents[0]?.destroy()
})

it('two reloads at once follow each other', async () => {
  const { sockets, reload, workerPids } = await start()
  await Promise.all(['eu-west-1', 'eu-west-2'].map((region) => reload(configWith({ s3: { region } }))))
  expect(await ask({ socket: sockets[1] })).toMatchObject({ region: 'eu-west-2' })
  expect(workerPids()).toHaveLength(2)
})

it('a reload with which no worker can start rejects with its sentence, and the old workers go on', async () => {
  const { sockets, reload, workerPids } = await start()
  const before = workerPids()
  await expect(reload(configWith({ s3: { region: 'broken' } }))).rejects.toThrow(
    'This region is broken; choose another.',
  )
  expect(workerPids()).toEqual(before)
  expect(await ask({ socket: sockets[0] })).toMatchObject({ region: 'us-east-1' })
})

it('a pool whose workers cannot start says why', async () => {
  await expect(start({ s3: { region: 'broken' } })).rejects.toThrow('This region is broken; choose another.')
})

it('a state directory in use is refused; sockets left behind by a killed pool are not in the way', async () => {
  await start()
  await expect(startPool(configWith(), { program, log })).rejects.toThrow(/state\.directory .* is in use/)
  expect(await ask({ socket: pool?.sockets[0] })).toMatchObject({ index: 0 })
})

it('health, readiness and the metrics of all workers, each under its own label', async () => {
  const { adminUrl, sockets } = await start()
  expect(readFileSync(join(directory, 'state', 'admin.url'), 'utf8')).toBe(`${adminUrl}\n`)
  for (const socket of [sockets[0], sockets[1], sockets[1]]) await ask({ socket })
  for (const path of ['/healthz', '/readyz']) expect((await fetch(adminUrl + path)).status).toBe(200)
  expect((await fetch(`${adminUrl}/other`)).status).toBe(404)
  expect((await fetch(`${adminUrl}/toString`)).status).toBe(404)
  const text = await (await fetch(`${adminUrl}/metrics`)).text()
  const count = (worker: number) =>
    new RegExp(
      `^causeway_requests_total\\{(?=.*operation="Tiny")(?=.*status="200")(?=.*worker="${worker}").*\\} (\\d+)$`,
      'm',
    ).exec(text)?.[1]
  expect([count(0), count(1)]).toEqual(['1', '2'])
  expect(text).toContain('causeway_request_seconds_bucket')
  expect(text).toMatch(/causeway_nodejs_eventloop_lag_seconds\{.*worker="1"/)
})

it('a namespace root that hangs turns readiness and is named, a further one is told of only, and both turn back', async () => {
  const { adminUrl, sockets } = await start()
  const say = async (...troubles: readonly RootTrouble[]) => {
    for (const socket of sockets) await ask({ socket, path: `/roots?${encodeURIComponent(JSON.stringify(troubles))}` })
  }
  /** Workers speak to the pool on another channel than to clients. */
  const readiness = async (status: number) => {
    for (let tries = 0; ; tries++) {
      const answer = await fetch(`${adminUrl}/readyz`)
      const text = await answer.text()
      if ((answer.status === status && text.startsWith(status === 200 ? 'ready' : 'the')) || tries === 100) return text
      await sleep(20)
    }
  }
  const main = { path: '/mnt/a', isMain: true, trouble: 'does not answer' } as const
  const further = { path: '/mnt/b', isMain: false, trouble: 'answers ESTALE' } as const
  await say(main)
  expect(await readiness(503)).toBe('the namespace root /mnt/a does not answer\n')
  expect((await fetch(`${adminUrl}/healthz`)).status).toBe(200)
  await say(further)
  expect(await readiness(200)).toBe(
    'ready\nthe root /mnt/b answers ESTALE: requests for buckets on it are answered 503\n',
  )
  await say()
  await until(async () => (await readiness(200)) === 'ready\n')
})

type Answered = { readonly pid: number; readonly index: number; readonly region: string }

function ask(options: {
  socket: string | undefined
  path?: string
  method?: string
  agent?: Agent | undefined
}): Promise<Answered> {
  const { socket, agent, path = '/', method = 'GET' } = options
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath: socket, path, method, agent: agent ?? false }, async (response) => {
      try {
        const chunks: Buffer[] = []
        for await (const chunk of response) chunks.push(chunk)
        resolve(JSON.parse(Buffer.concat(chunks).toString()))
      } catch (error) {
        reject(error)
      }
    })
    outgoing.on('error', reject)
    outgoing.end(method === 'PUT' ? 'body' : undefined)
  })
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('it did not come to pass within ten seconds')
    await sleep(20)
  }
}
