/** Workers as they are: one file of all of them, moved away under way, full, or in the wrong place. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createMasterKey } from '#auth'
import { loadConfig, underDataDirectory } from './config.ts'
import { type Pool, startPool } from './pool.ts'

let directory: string
let pool: Pool | undefined

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'audit-'))
  for (const each of ['tree', 'state', 'logs']) mkdirSync(join(directory, each))
  await createMasterKey(join(directory, 'state', 'master.key'))
})
afterEach(async () => {
  await pool?.close()
  pool = undefined
  rmSync(directory, { recursive: true, force: true })
})

async function start(auditFile: string): Promise<Pool> {
  const log = { file: join(directory, 'logs', 'gateway.log'), audit_file: auditFile }
  const config = loadConfig(undefined, { ...underDataDirectory(directory), pool: { workers: 2 }, log }, {})
  pool = await startPool(config, { log: pino({ level: 'silent' }) })
  return pool
}

/** From this client address, as nginx says it. */
function ask(socketPath: string | undefined, client: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'x-causeway-front': `0123456789ABCDEF https ${client}`, host: 'h' }
    const asked = request({ socketPath, path: '/missing/k', headers }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
    })
    asked.on('error', reject).end()
  })
}

const clientsIn = (file: string): unknown[] =>
  existsSync(file)
    ? readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line).client)
    : []

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('it did not come to pass within ten seconds')
    await sleep(20)
  }
}

it('all workers write one file, and begin a new one when they are told to', { timeout: 60_000 }, async () => {
  const file = join(directory, 'logs', 'audit.log')
  const { sockets, reopenLogs } = await start(file)
  expect(await Promise.all(sockets.map((socket, index) => ask(socket, `192.0.2.${index}`)))).toEqual([404, 404])
  await until(() => clientsIn(file).length === 2)
  expect(clientsIn(file).sort()).toEqual(['192.0.2.0', '192.0.2.1'])
  renameSync(file, `${file}.1`)
  reopenLogs()
  let asked = 2
  // Each worker reopens in its own time; no line is lost meanwhile.
  while (clientsIn(file).length < 4) {
    await Promise.all(sockets.map((socket) => ask(socket, `198.51.100.${asked++}`)))
    await sleep(50)
  }
  await until(() => clientsIn(file).length + clientsIn(`${file}.1`).length === asked)
})

it('a file that is full fails no request, and is told in the log and in a metric', { timeout: 60_000 }, async () => {
  const { sockets, adminUrl } = await start('/dev/full')
  for (let n = 0; n < 3; n++) expect(await ask(sockets[0], '192.0.2.7')).toBe(404)
  const log = () => readFileSync(join(directory, 'logs', 'gateway.log'), 'utf8')
  await until(() => log().includes('ENOSPC'))
  expect(log().match(/the audit file does not take what was done/g)).toHaveLength(1)
  const metrics = await (await fetch(`${adminUrl}/metrics`)).text()
  expect(metrics).toMatch(/^causeway_audit_lines_lost_total\{worker="0"\} 3$/m)
})

it('a file in the tree is refused at the start, in a sentence', { timeout: 60_000 }, async () => {
  const within = join(directory, 'tree', 'audit.log')
  await expect(start(within)).rejects.toThrow(
    `log.audit_file is ${within}, inside the served tree ${join(directory, 'tree')}; choose a path outside it.`,
  )
  symlinkSync(join(directory, 'tree'), join(directory, 'link'))
  await expect(start(join(directory, 'link', 'audit.log'))).rejects.toThrow(
    /\/tree\/audit\.log\), inside the served tree/,
  )
  expect(existsSync(within)).toBe(false)
})
