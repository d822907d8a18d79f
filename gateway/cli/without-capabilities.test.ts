import { expect, test } from 'vitest'
import { CommandError } from './command-error.ts'
import { capability, type ProcessCapabilities } from './process-capabilities.ts'
import { withoutCapabilities } from './without-capabilities.ts'

const process = (sets: Partial<ProcessCapabilities>): ProcessCapabilities => ({
  uid: 997,
  permitted: new Set(),
  inheritable: new Set(),
  ambient: new Set(),
  ...sets,
})
const ports = capability.NET_BIND_SERVICE
const of = (own: ProcessCapabilities, setpriv = '/bin/setpriv') => withoutCapabilities(['nginx', '-t'], own, setpriv)

test('a process that hands nothing on, or ports below 1024 alone, starts the program itself', () => {
  expect(of(process({ permitted: new Set([capability.SETUID]) }))).toEqual(['nginx', '-t'])
  expect(of(process({ inheritable: new Set([ports]), ambient: new Set([ports]) }))).toEqual(['nginx', '-t'])
})

test.each([capability.SETUID, capability.FOWNER, 40])('capability %i is not handed on, that of ports is', (bit) => {
  const both = new Set([bit, ports])
  expect(of(process({ permitted: both, inheritable: both, ambient: both }))).toEqual([
    '/bin/setpriv',
    '--ambient-caps=-all,+net_bind_service',
    '--inh-caps=-all,+net_bind_service',
    'nginx',
    '-t',
  ])
  expect(of(process({ inheritable: new Set([bit]) }))).toEqual([
    '/bin/setpriv',
    '--ambient-caps=-all',
    '--inh-caps=-all',
    'nginx',
    '-t',
  ])
})

test('without setpriv the program is not started rather than started with them', () => {
  const own = process({ ambient: new Set([capability.SETUID]) })
  expect(() => of(own, '')).toThrow(CommandError)
})
