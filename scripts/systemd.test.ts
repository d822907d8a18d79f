/** The unit and its drop-in, as systemd reads them. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { serviceCapabilities } from '../conformance/as-service.ts'

const directory = fileURLToPath(new URL('systemd', import.meta.url))
const unit = readFileSync(join(directory, 'causeway.service'), 'utf8')
const kernel = readFileSync(join(directory, 'causeway-kernel.conf'), 'utf8')

/** The words of a setting that is a list: later lines add to it, an empty one begins anew (systemd.exec(5)). */
function words(text: string, setting: string): readonly string[] {
  const lines = [...text.matchAll(new RegExp(`^${setting}=(.*)$`, 'gm'))].map(([, value = '']) => value.trim())
  return lines.slice(lines.lastIndexOf('') + 1).flatMap((line) => line.split(/\s+/))
}

const last = (text: string, setting: string) => [...text.matchAll(new RegExp(`^${setting}=(.*)$`, 'gm'))].at(-1)?.[1]

test('the service has one capability, that of ports below 1024, and can get no other', () => {
  expect(words(unit, 'AmbientCapabilities')).toEqual(['CAP_NET_BIND_SERVICE'])
  expect(words(unit, 'CapabilityBoundingSet')).toEqual(['CAP_NET_BIND_SERVICE'])
  expect(last(unit, 'NoNewPrivileges')).toBe('true')
})

test('with the drop-in for kernel it has exactly the five that tests and labs start it with', () => {
  const wanted = serviceCapabilities.map((name) => `CAP_${name.toUpperCase()}`).sort()
  for (const setting of ['AmbientCapabilities', 'CapabilityBoundingSet']) {
    expect([...words(`${unit}\n${kernel}`, setting)].sort()).toEqual(wanted)
  }
  expect(wanted).not.toContain('CAP_DAC_OVERRIDE')
  expect(last(`${unit}\n${kernel}`, 'NoNewPrivileges')).toBe('true')
})

test.each([
  ['the service', unit],
  ['the service with the drop-in', `${unit}\n${kernel}`],
])('nothing that hardens %s is in the way of openat2, of taking an identity or of compiling', (_, text) => {
  // openat2 cannot be looked into by a filter, so RestrictSUIDSGID refuses all of it; V8 needs memory that is written, then run.
  for (const setting of ['RestrictSUIDSGID', 'MemoryDenyWriteExecute', 'PrivateUsers', 'DynamicUser']) {
    expect(last(text, setting) ?? 'false').toBe('false')
  }
  expect(words(text, 'SystemCallFilter')).toEqual(['@system-service'])
})

test('systemd understands every line of unit and drop-in', (context) => {
  if (spawnSync('systemd-analyze', ['--version']).status !== 0) context.skip('needs systemd-analyze')
  const work = mkdtempSync(join(tmpdir(), 'causeway-systemd-'))
  try {
    // The program is looked for as well, and it need not be installed where this runs.
    writeFileSync(join(work, 'causeway.service'), unit.replace(/^ExecStart=\S+/m, 'ExecStart=/bin/true'))
    mkdirSync(join(work, 'causeway.service.d'))
    cpSync(join(directory, 'causeway-kernel.conf'), join(work, 'causeway.service.d/kernel.conf'))
    const verify = () => {
      const { stderr } = spawnSync('systemd-analyze', ['verify', join(work, 'causeway.service')])
      // Units of this machine that ours names are read as well.
      return String(stderr)
        .split('\n')
        .filter((line) => line.includes('causeway'))
    }
    expect(verify()).toEqual([])
    writeFileSync(join(work, 'causeway.service.d/kernel.conf'), `${kernel}\nAmbientCapability=CAP_FOWNER\n`)
    expect(verify()).toEqual([expect.stringMatching(/kernel\.conf:\d+: Unknown key .*'AmbientCapability'/)])
  } finally {
    rmSync(work, { recursive: true })
  }
})
