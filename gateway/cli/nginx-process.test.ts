import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { asService } from '../../conformance/as-service.ts'
import { descendants } from '../../conformance/instance.ts'
import { findProgram } from './find-program.ts'
import { capability, readProcessCapabilities } from './process-capabilities.ts'

const isRoot = process.getuid?.() === 0
const [uid, gid] = [30_002, 40_002]

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'causeway-nginx-'))
  chownSync(directory, uid, gid)
})
afterEach(() => rmSync(directory, { recursive: true }))

/** As `causeway serve` starts it; prints nginx's process id, and ends it when its input ends. */
const program = (options: readonly string[]) => `
  const { startNginx } = await import(${JSON.stringify(new URL('./nginx-process.ts', import.meta.url).href)})
  const log = (line) => process.stderr.write(line + '\\n')
  const nginx = await startNginx({ programArguments: ${JSON.stringify(options)}, log })
  console.log(nginx.pid())
  process.stdin.resume()
  process.stdin.once('end', () => nginx.stop(1000))
`

test('nginx, its workers too, has none of the capabilities of the gateway but that of ports below 1024, and may not trace it', async (context) => {
  if (!isRoot) context.skip('needs root')
  if (findProgram('nginx') === undefined) context.skip('needs nginx')
  const [configFile, errorLog] = [join(directory, 'nginx.conf'), join(directory, 'error.log')]
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path t-${name};`)
  const server = `server { listen unix:${directory}/socket; access_log off; }`
  writeFileSync(
    configFile,
    `daemon off; worker_processes 2; pid nginx.pid; events {} http { ${temporary.join(' ')} ${server} }`,
  )

  const [setpriv = '', ...rest] = asService(uid, gid)
  const script = program(['-p', directory, '-e', errorLog, '-c', configFile])
  const gateway = spawn(setpriv, [...rest, process.execPath, '--input-type=module', '-e', script], { cwd: directory })
  let complaints = ''
  gateway.stderr.on('data', (piece) => {
    complaints += piece
  })
  try {
    const ended = once(gateway, 'exit').then(() => {
      throw new Error(`the gateway has ended: ${complaints}`)
    })
    const [line] = await Promise.race([once(gateway.stdout, 'data'), ended])
    const nginx = Number(line)
    expect(readProcessCapabilities(gateway.pid ?? 0).permitted).toContain(capability.SETUID)

    await vi.waitFor(() => expect(descendants(nginx)).toHaveLength(2), { timeout: 10_000 })
    const family = [nginx, ...descendants(nginx)]
    for (const pid of family) {
      const only = new Set([capability.NET_BIND_SERVICE])
      expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).toMatch(/^nginx|^\/\S*nginx/)
      expect(readProcessCapabilities(pid)).toEqual({ uid, permitted: only, inheritable: only, ambient: only })
    }

    // What reading this asks for is what tracing asks for (ptrace(2), "Ptrace access mode checking").
    const maps = `/proc/${gateway.pid}/maps`
    const likeNginx = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--inh-caps=-all', 'cat', maps]
    expect(String(spawnSync('setpriv', likeNginx).stderr)).toMatch(/Permission denied/)
    expect(spawnSync(setpriv, [...rest, 'cat', maps]).status).toBe(0)
  } finally {
    const ended = gateway.exitCode === null ? once(gateway, 'exit') : undefined
    gateway.stdin.end()
    await ended
  }
})
