/**
 * `causeway serve`: pool and nginx in the foreground, until Ctrl-C or SIGTERM.
 *
 *     directories → this instance's lock → certificate, keys → is the port free? → pool → nginx → an answer through both → "ready"
 *
 * SIGHUP reads the configuration again, replaces the workers one by one and has nginx take configuration and certificate where these
 * have changed; a broken one is told and the old one goes on. SIGUSR2 reopens the logs. When nginx keeps dying everything ends with
 * exit code 1, so that a service manager starts it anew; a worker that dies is the pool's business.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Command } from 'commander'
import { nginxFiles } from '../../nginx/template.ts'
import { type Config, splitAddress } from '../config.ts'
import { startPool } from '../pool.ts'
import { serveDetached } from './detach.ts'
import { requireMounts } from './diagnose.ts'
import { requireRights } from './diagnose-rights.ts'
import { clientEnvOf, endpointOf, ensureClient, ensureDirectories, ensureOwnCertificate } from './first-run.ts'
import { claimInstance } from './instance.ts'
import { writeNginxConfiguration } from './nginx-configuration.ts'
import { startNginx } from './nginx-process.ts'
import { openOperator } from './operator.ts'
import { type Place, type PlaceOptions, readPlace, withPlace } from './place.ts'
import { requireFreePort } from './ports.ts'
import { waitUntilReady } from './ready.ts'
import { sentenceOf } from './sentence.ts'
import { welcome } from './welcome.ts'

const READY_TIMEOUT_MS = 20_000

type ServeOptions = PlaceOptions & { readonly detach?: boolean }

export const serveCommand = withPlace(new Command('serve'))
  .description('serve the tree: workers and nginx, until Ctrl-C')
  .option('--port <number>', 'port of the https endpoint (default 8443)')
  .option('--detach', 'return as soon as it serves; `stop` ends it')
  .action(async (options: ServeOptions) => {
    const place = readPlace(options)
    await ensureDirectories(place)
    if (options.detach) return serveDetached(place)
    process.exitCode = await serve(place, () => readPlace(options))
  })

/** Resolves with the exit code when it has ended. */
async function serve(place: Place, readAgain: () => Place): Promise<number> {
  const { config } = place
  const signals = watchSignals()
  const release = await claimInstance(config.state.directory)
  const opened: (() => Promise<unknown>)[] = [release]
  try {
    await requireMounts(config)
    await requireRights(config)
    await ensureOwnCertificate(config)
    const operator = await openOperator(place)
    const client = await ensureClient(place, operator).finally(() => operator.close())
    for (const address of [config.listen.https, config.listen.http]) {
      if (address !== '') await requireFreePort(splitAddress(address))
    }

    const pool = await startPool(config)
    opened.push(() => pool.close())
    opened.push(() => removeNginxFiles(config))
    const nginxConfiguration = await writeNginxConfiguration(config, pool.sockets)
    const nginx = await startNginx({
      programArguments: nginxFiles(config).arguments,
      log: (line) => process.stderr.write(`${line}\n`),
    })
    // In front of the pool, so it stops taking requests before the workers go.
    opened.push(() => nginx.stop(config.pool.drainSeconds * 1000))

    const endpoint = endpointOf(config)
    const failed = nginx.failed.then((sentence) => ({ sentence }))
    if (!config.listen.proxyProtocol) {
      const early = await Promise.race([waitUntilReady(endpoint, READY_TIMEOUT_MS), failed, signals.ended])
      if (early !== undefined) return tell(early)
    }
    process.stdout.write(
      welcome({ ...place, root: config.namespace.root, endpoint, clientEnv: clientEnvOf(place), client }),
    )
    process.stdout.write(`ready ${endpoint}\n`)

    signals.onReload(() =>
      reload(async () => {
        const again = readAgain().config
        await nginxConfiguration.take(again, () => nginx.reload())
        await pool.reload(again)
      }),
    )
    signals.onReopenLogs(() => {
      pool.reopenLogs()
      nginx.reopenLogs()
    })
    return tell(await Promise.race([signals.ended, failed]))
  } finally {
    for (const close of opened.reverse()) await close()
    signals.stop()
  }
}

type Ending = { readonly sentence: string | undefined }

function tell({ sentence }: Ending): number {
  if (sentence === undefined) return 0
  process.stderr.write(`causeway: ${sentence}\n`)
  return 1
}

/** A second Ctrl-C does not wait for requests under way. */
function watchSignals() {
  const { promise: ended, resolve } = Promise.withResolvers<Ending>()
  let asked = false
  const end = () => {
    if (asked) process.exit(130)
    asked = true
    resolve({ sentence: undefined })
  }
  let reloadNow = () => {}
  let reopenNow = () => {}
  const handlers = {
    SIGINT: end,
    SIGTERM: end,
    SIGHUP: () => reloadNow(),
    SIGUSR2: () => reopenNow(),
  }
  for (const [name, handler] of Object.entries(handlers)) process.on(name, handler)
  return {
    ended,
    onReload(handler: () => void) {
      reloadNow = handler
    },
    onReopenLogs(handler: () => void) {
      reopenNow = handler
    },
    stop() {
      for (const [name, handler] of Object.entries(handlers)) process.off(name, handler)
    },
  }
}

async function reload(takeAgain: () => Promise<void>): Promise<void> {
  try {
    await takeAgain()
    process.stderr.write('causeway: reloaded\n')
  } catch (error) {
    process.stderr.write(
      `causeway: not reloaded, the old configuration goes on: ${sentenceOf(error) ?? String(error)}\n`,
    )
  }
}

/** Its configuration, process id and temporary files; logs stay. */
async function removeNginxFiles(config: Config): Promise<void> {
  const { directory, configFile, pidFile } = nginxFiles(config)
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => join(directory, name))
  await Promise.all([configFile, pidFile, ...temporary].map((path) => rm(path, { recursive: true, force: true })))
  await rm(join(config.state.directory, 'sockets'), { recursive: true, force: true })
}
