/**
 * The limit: nginx that serves the very files of the gateway's tree, and takes PUTs by its DAV module. Same workers, same TLS, same
 * certificate, a log line per request; neither signatures nor ETags of content, nothing flushed.
 */
import { spawn } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findProgram } from '../../gateway/cli/find-program.ts'
import { endProcess, freePort } from './own-process.ts'
import { processorTime } from './processor-time.ts'
import type { Server } from './server.ts'
import { targetOf } from './signed-request.ts'

const READY_TIMEOUT_MS = 10_000

export type StaticFiles = {
  /** Below it: configuration, log, and what is PUT. On the file system of the tree, for rename. */
  readonly directory: string
  /** Read only. */
  readonly tree: string
  readonly certificate: string
  readonly key: string
  readonly authority: string | undefined
  /**
   * Each byte is read and written, as it must be by whoever promises that a file which is cut short is never padded (namespace/native/README.md,
   * Sending): by `sendfile` pages of the file wait in the socket, and change there.
   */
  readonly isCopying: boolean
}

export async function startStaticNginx(files: StaticFiles): Promise<Server> {
  const program = findProgram('nginx')
  if (program === undefined) throw new Error('nginx is not installed; install the package nginx.')
  const written = join(files.directory, 'written')
  await mkdir(written, { recursive: true })
  const ports = { https: await freePort(), http: await freePort() }
  const configFile = join(files.directory, 'nginx.conf')
  await writeFile(configFile, configText(files, written, ports))
  const child = spawn(program, ['-p', files.directory, '-e', join(files.directory, 'error.log'), '-c', configFile], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  process.once('exit', () => child.kill('SIGTERM'))
  const origin = (scheme: 'https' | 'http') => `${scheme}://127.0.0.1:${ports[scheme]}`
  for (const deadline = Date.now() + READY_TIMEOUT_MS; !(await answers(origin('http'))); await sleep(25)) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`nginx does not serve ${configFile}`)
  }
  return {
    name: files.isCopying ? 'nginx, copying' : 'nginx, static',
    isS3: false,
    isCopying: files.isCopying,
    schemes: ['https', 'http'],
    origin,
    authority: files.authority,
    request: (wanted) => ({ method: wanted.method, target: targetOf(wanted), headers: {} }),
    processorTime: () => processorTime(child.pid ?? 0),
    stop: () => endProcess(child),
  }
}

/** One buffer of the size that the gateway's own nginx has: cheaper than 256 or 512 KiB. */
const COPYING = 'sendfile off;\n  output_buffers 1 60k;'

function configText(files: StaticFiles, written: string, ports: { https: number; http: number }): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `  ${name}_temp_path ${join(files.directory, name)};`)
    .join('\n')
  const server = (listen: string) => `
  server {
    listen 127.0.0.1:${listen};
    root ${files.tree};
    if ($request_method = PUT) {
      rewrite ^ /../written$uri last;
    }
    location /../written/ {
      internal;
      alias ${written}/;
      dav_methods PUT;
      create_full_put_path on;
    }
  }`
  return `daemon off;
${process.getuid?.() === 0 ? `user ${userInfo().username};\n` : ''}pid ${join(files.directory, 'nginx.pid')};
worker_processes auto;
events {
  worker_connections 16384;
}
http {
${temporary}
  access_log ${join(files.directory, 'access.log')};
  default_type application/octet-stream;
  ${files.isCopying ? COPYING : 'sendfile on;'}
  tcp_nopush on;
  keepalive_requests 1000000;
  client_max_body_size 0;
  ssl_certificate ${files.certificate};
  ssl_certificate_key ${files.key};
  ssl_protocols TLSv1.2 TLSv1.3;
${server(`${ports.https} ssl`)}
${server(String(ports.http))}
}
`
}

function answers(origin: string): Promise<boolean> {
  return new Promise((resolve) => {
    const sent = request(`${origin}/`, { agent: false }, (response) => {
      response.resume()
      resolve(true)
    })
    sent.on('error', () => resolve(false))
    sent.end()
  })
}
