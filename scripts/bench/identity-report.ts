/** What a GET costs that nobody signs, what it costs signed, and what finding out who asks is of it → a Markdown table. Pure. */
import type { CostSample } from './identity-cost.ts'
import { costOf, digits, median, type Sample } from './report.ts'

/** One for each round, of everything. */
export type IdentityRow = {
  readonly provider: string
  readonly anonymous: readonly Sample[]
  readonly signed: readonly Sample[]
  /** Of finding out who asks, and of the same pace with nobody asked. */
  readonly identity: readonly CostSample[]
  readonly idle: readonly CostSample[]
}

const HEAD = [
  'GET 4 KiB, provider',
  'requests/s',
  'CPU ms/request (least–most)',
  'nginx + workers',
  'anonymous, CPU ms/request (least–most)',
  '× anonymous (least–most)',
  'identity, CPU µs/request (least–most)',
  'of the GET',
]

export function identityTable(rows: readonly IdentityRow[]): string {
  const lines = [HEAD, HEAD.map((_, index) => (index < 1 ? '---' : '---:')), ...rows.map(cells)]
  return lines.map((line) => `| ${line.join(' | ')} |\n`).join('')
}

function cells({ provider, anonymous, signed, identity, idle }: IdentityRow): readonly string[] {
  const costs = signed.map(msOf)
  const bases = anonymous.map(msOf)
  // Noise may put one below zero, which is said as it is.
  const parts = identity.map((sample, round) => perRequest(sample) - perRequest(idle[round]))
  const each = (part: (sample: Sample) => number | undefined) =>
    digits(median(signed.map((sample) => (part(sample) ?? Number.NaN) / sample.requests)))
  return [
    provider,
    digits(median(signed.map(({ requests, seconds }) => requests / seconds))),
    withRange(costs, digits),
    `${each(({ nginxCpuMs }) => nginxCpuMs)} + ${each(({ workersCpuMs }) => workersCpuMs)}`,
    withRange(bases, digits),
    withRange(
      costs.map((cost, round) => cost / (bases[round] ?? Number.NaN)),
      (ratio) => ratio.toFixed(2),
    ),
    withRange(parts, (ms) => (ms * 1000).toFixed(1)),
    `${((median(parts) / median(costs)) * 100).toFixed(1)} %`,
  ]
}

const msOf = (sample: Sample): number => costOf(sample) ?? Number.NaN

/** Milliseconds. */
const perRequest = (sample: CostSample | undefined): number =>
  sample === undefined ? Number.NaN : sample.cpuMs / sample.requests

function withRange(values: readonly number[], text: (value: number) => string): string {
  return `${text(median(values))} (${text(Math.min(...values))}–${text(Math.max(...values))})`
}
