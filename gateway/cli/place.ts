/** `--config` and `--data`: which configuration a command works on. */

import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { type Config, type ConfigOverrides, loadConfig, splitAddress, underDataDirectory } from '../config.ts'
import { CommandError } from './command-error.ts'

export type PlaceOptions = { readonly config?: string; readonly data?: string; readonly port?: string }

export type Place = {
  readonly config: Config
  /** Where client.env goes: the data directory, or the state directory where the configuration says what lies where. */
  readonly home: string
  /** The options that lead here again, for sentences that name a command. */
  readonly options: string
}

const DEFAULT_DATA_DIRECTORY = 'data'

export function withPlace(command: Command): Command {
  return command
    .option('--config <file>', 'run with this configuration (TOML)')
    .option('--data <directory>', 'keep tree, state and keys under this directory', undefined)
}

/** --data wins over what the file says about tree and state. With neither: everything under ./data. Throws ConfigError. */
export function readPlace(options: PlaceOptions): Place {
  const data = dataDirectoryOf(options)
  const overrides = data === undefined ? {} : overridesUnder(data, options)
  const config = loadConfig(options.config, overrides)
  return {
    config: options.port === undefined ? config : loadConfig(options.config, withPort(overrides, config, options.port)),
    home: data ?? config.state.directory,
    options: [options.config && `--config ${options.config}`, options.data && `--data ${options.data}`]
      .filter(Boolean)
      .map((option) => ` ${option}`)
      .join(''),
  }
}

/** Without a configuration of one's own a start talks to a person, so the request log goes to a file. */
function overridesUnder(data: string, options: PlaceOptions): ConfigOverrides {
  const hasFile = options.config !== undefined || process.env.CAUSEWAY_CONFIG !== undefined
  const log =
    hasFile || process.env.CAUSEWAY_LOG_FILE !== undefined ? {} : { log: { file: join(data, 'state', 'gateway.log') } }
  return { ...underDataDirectory(data), ...log }
}

/** Of a running or stopped instance, whatever its configuration says by now. */
export function stateDirectoryOf(options: PlaceOptions): string {
  const data = dataDirectoryOf(options)
  return data === undefined ? loadConfig(options.config).state.directory : join(data, 'state')
}

function dataDirectoryOf(options: PlaceOptions): string | undefined {
  if (options.data !== undefined) return resolve(options.data)
  return options.config === undefined && process.env.CAUSEWAY_CONFIG === undefined
    ? resolve(DEFAULT_DATA_DIRECTORY)
    : undefined
}

function withPort(overrides: ConfigOverrides, config: Config, port: string): ConfigOverrides {
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535 || Number(port) === 0) {
    throw new CommandError(`--port is ${JSON.stringify(port)}; give a number from 1 to 65535.`)
  }
  const { host } = splitAddress(config.listen.https === '' ? '0.0.0.0:0' : config.listen.https)
  return { ...overrides, listen: { https: `${host.includes(':') ? `[${host}]` : host}:${port}` } }
}
