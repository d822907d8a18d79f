/** nginx's configuration in its file, and what the running nginx has taken of it. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { nginxFiles, renderNginx } from '../../nginx/template.ts'
import type { Config } from '../config.ts'
import { hostId } from '../request-id.ts'

export type NginxConfiguration = {
  /**
   * Writes what `config` makes of nginx and calls `reload`, but only where that or a byte of the certificate differs from what nginx has:
   * a reload closes the idle connections of clients. Answers whether it was called. Throws what `reload` throws, with the old file back in
   * its place.
   */
  take(config: Config, reload: () => Promise<void>): Promise<boolean>
}

/** For the first start. Throws errno errors, where the certificate cannot be read or the file not be written. */
export async function writeNginxConfiguration(
  first: Config,
  workerSockets: readonly string[],
): Promise<NginxConfiguration> {
  let taken = await readFor(first, workerSockets)
  await mkdir(nginxFiles(first).directory, { recursive: true, mode: 0o750 })
  await writeFile(nginxFiles(first).configFile, taken.text)
  return {
    async take(config, reload) {
      const wanted = await readFor(config, workerSockets)
      const isSame =
        wanted.text === taken.text && wanted.certificate.every((file, at) => taken.certificate[at]?.equals(file))
      if (isSame) return false
      const { configFile } = nginxFiles(config)
      await writeFile(configFile, wanted.text)
      try {
        await reload()
      } catch (error) {
        await writeFile(configFile, taken.text)
        throw error
      }
      taken = wanted
      return true
    },
  }
}

/** The configuration as nginx reads it, and the files named in it. */
async function readFor(config: Config, workerSockets: readonly string[]) {
  // Started by root, nginx would run its workers as nobody, who may not use the sockets.
  const user = process.getuid?.() === 0 ? userInfo().username : undefined
  const { listen, tls } = config
  return {
    text: renderNginx(config, { workerSockets, user, hostId }),
    certificate: await Promise.all(listen.https === '' ? [] : [readFile(tls.certificate), readFile(tls.key)]),
  }
}
