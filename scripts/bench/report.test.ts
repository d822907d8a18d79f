import { describe, expect, it } from 'vitest'
import { digits, median, type Row, table } from './report.ts'

const sample = { requests: 100, seconds: 2, nginxCpuMs: 10, workersCpuMs: 0, clientCpuMs: 1000 }
const row: Row = {
  title: 'GET 1 MiB',
  server: 'nginx, static',
  isLimit: true,
  objectBytes: 2 ** 20,
  isTimed: false,
  samples: [sample],
}

const cellsOf = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))

describe('the table of a benchmark', () => {
  it('says rates, processor time per request, its parts, and what it is beside nginx', () => {
    const gateway: Row = {
      ...row,
      server: 'Causeway',
      isLimit: false,
      samples: [
        { ...sample, nginxCpuMs: 10, workersCpuMs: 10 },
        { ...sample, nginxCpuMs: 10, workersCpuMs: 15 },
        { ...sample, nginxCpuMs: 20, workersCpuMs: 40 },
      ],
    }
    const [, , first, second] = cellsOf(table([row, gateway], 2))
    expect(first?.slice(1, -1)).toEqual([
      'GET 1 MiB',
      'nginx, static',
      '50.0',
      '50.0',
      '0.100 (0.100–0.100)',
      '0.100 + 0',
      '',
      '25 %',
    ])
    expect(second?.slice(1, -1)).toEqual([
      'GET 1 MiB',
      'Causeway',
      '50.0',
      '50.0',
      '0.250 (0.200–0.600)',
      '0.100 + 0.150',
      '2.50',
      '25 %',
    ])
  })

  it('leaves out what nobody can tell', () => {
    const elsewhere: Row = {
      ...row,
      server: 'other.example.com',
      isLimit: false,
      samples: [{ ...sample, nginxCpuMs: undefined, workersCpuMs: undefined }],
    }
    expect(cellsOf(table([row, elsewhere], 2))[3]?.slice(5, 8)).toEqual(['', '', ''])
  })

  it('gives the milliseconds of what is done one at a time', () => {
    const timed: Row = { ...row, isTimed: true, objectBytes: 0, samples: [{ ...sample, requests: 1, seconds: 0.0123 }] }
    expect(cellsOf(table([timed], 2))[2]?.slice(3, 5)).toEqual(['12.3 ms', ''])
  })
})

describe('the median', () => {
  it('is the one in the middle, or the mean of the two there', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 2, 3])).toBe(2.5)
    expect(median([])).toBeNaN()
  })
})

describe('a number in the table', () => {
  it('has three digits that count', () => {
    expect([0.01623, 1.234, 45.64, 12345.6, 0, Number.NaN].map(digits)).toEqual([
      '0.0162',
      '1.23',
      '45.6',
      '12,346',
      '0',
      '–',
    ])
  })
})
