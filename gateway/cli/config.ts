import { Command } from 'commander'
import { stringify } from 'smol-toml'
import { type Config, exampleToml, explainConfig } from '../config.ts'
import { type PlaceOptions, readPlace, withPlace } from './place.ts'

export const configCommand = withPlace(new Command('config'))
  .description('print the configuration as it takes effect')
  .option('--example', 'print causeway.example.toml: every setting with its default')
  .option('--explain', 'print a table of all settings')
  .action((options: PlaceOptions & { readonly example?: boolean; readonly explain?: boolean }) => {
    if (options.example) process.stdout.write(exampleToml())
    else if (options.explain) process.stdout.write(explainConfig())
    else process.stdout.write(renderConfig(readPlace(options).config))
  })

/** As TOML that can be used as a configuration file: all values, defaults and derived paths included. */
export function renderConfig(config: Config): string {
  const sections = Object.entries(config).map(([section, values]) => [
    section,
    Object.fromEntries(Object.entries(values).map(([key, value]) => [snake(key), value])),
  ])
  return `${stringify(Object.fromEntries(sections)).trim()}\n`
}

// headerBytes → header_bytes; http2 stays.
const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
