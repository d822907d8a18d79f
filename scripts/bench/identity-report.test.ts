import { expect, it } from 'vitest'
import { identityTable } from './identity-report.ts'

const sample = (workersCpuMs: number) => ({
  requests: 100,
  seconds: 1,
  nginxCpuMs: 10,
  workersCpuMs,
  clientCpuMs: 1,
})
const cost = (cpuMs: number) => ({ requests: 1000, cpuMs })

it('the table of identity compares within a round, and takes from the cost of asking what the pace alone costs', () => {
  const table = identityTable([
    {
      provider: 'local',
      anonymous: [40, 90, 40].map(sample),
      signed: [50, 110, 40].map(sample),
      identity: [20, 60, 9].map(cost),
      idle: [10, 40, 10].map(cost),
    },
  ])
  const [, , row = ''] = table.split('\n')
  expect(row.split(' | ')).toEqual([
    '| local',
    '100',
    '0.600 (0.500–1.20)',
    '0.100 + 0.500',
    '0.500 (0.500–1.00)',
    '1.20 (1.00–1.20)',
    '10.0 (-1.0–20.0)',
    '1.7 % |',
  ])
})
