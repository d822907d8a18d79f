import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { loadConfig } from '../config.ts'
import { renderConfig } from './config.ts'

const directory = mkdtempSync(join(tmpdir(), 'causeway-config-'))
afterAll(() => rmSync(directory, { recursive: true }))

test('the printed configuration, used as a configuration file, is the same configuration', () => {
  const config = loadConfig(undefined, { listen: { https: '127.0.0.1:9443', domain: 's3.example.com' } }, {})
  const file = join(directory, 'printed.toml')
  writeFileSync(file, renderConfig(config))
  expect(loadConfig(file, {}, {})).toEqual(config)
})
