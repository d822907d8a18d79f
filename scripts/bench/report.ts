/** Measurements → a Markdown table. Pure. */

/** One server in one round of one scenario. */
export type Sample = {
  readonly requests: number
  readonly seconds: number
  /** undefined: nobody can tell. */
  readonly nginxCpuMs: number | undefined
  readonly workersCpuMs: number | undefined
  readonly clientCpuMs: number
}

export type Row = {
  readonly title: string
  readonly server: string
  /** What ratios are taken against. */
  readonly isLimit: boolean
  /** Bytes that a request moves; 0: MiB/s says nothing. */
  readonly objectBytes: number
  /** Milliseconds of the answer are what matters, not how many fit into a second. */
  readonly isTimed: boolean
  readonly samples: readonly Sample[]
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

const HEAD = [
  'scenario',
  'server',
  'requests/s',
  'MiB/s',
  'CPU ms/request (least–most)',
  'nginx + workers',
  '× nginx',
  'client',
]

/** Rows of one scheme, those of a scenario next to each other. `cores`: of the machine. */
export function table(rows: readonly Row[], cores: number): string {
  const lines = [
    HEAD,
    HEAD.map((_, index) => (index < 2 ? '---' : '---:')),
    ...rows.map((row) => cells(row, rows, cores)),
  ]
  return lines.map((line) => `| ${line.join(' | ')} |\n`).join('')
}

function cells(row: Row, all: readonly Row[], cores: number): readonly string[] {
  const { samples, objectBytes, isTimed } = row
  const rate = median(samples.map(({ requests, seconds }) => requests / seconds))
  const cost = cpuPerRequest(row)
  const limit = all.find(({ title, isLimit }) => isLimit && title === row.title)
  const limitCost = limit === undefined || limit === row ? undefined : cpuPerRequest(limit)
  const each = (part: (sample: Sample) => number | undefined) =>
    median(samples.map((sample) => (part(sample) ?? Number.NaN) / sample.requests))
  const share = median(samples.map(({ clientCpuMs, seconds }) => clientCpuMs / (seconds * 1000 * cores)))
  return [
    row.title,
    row.server,
    isTimed ? `${digits(1000 / rate)} ms` : digits(rate),
    objectBytes === 0 ? '' : digits((rate * objectBytes) / 2 ** 20),
    cost === undefined ? '' : `${digits(cost)} (${costsOf(row).map(digits).join('–')})`,
    cost === undefined ? '' : `${digits(each((s) => s.nginxCpuMs))} + ${digits(each((s) => s.workersCpuMs))}`,
    cost === undefined || limitCost === undefined ? '' : (cost / limitCost).toFixed(2),
    `${Math.round(share * 100)} %`,
  ]
}

/** Milliseconds; undefined where nobody can tell. */
function cpuPerRequest({ samples }: Row): number | undefined {
  const costs = samples.map(costOf).filter((cost) => cost !== undefined)
  return costs.length === 0 ? undefined : median(costs)
}

/** Least and most of all rounds. */
function costsOf({ samples }: Row): readonly [number, number] {
  const costs = samples.map((sample) => costOf(sample) ?? Number.NaN)
  return [Math.min(...costs), Math.max(...costs)]
}

/** Milliseconds for each request; undefined where nobody can tell. */
export function costOf({ nginxCpuMs, workersCpuMs, requests }: Sample): number | undefined {
  return nginxCpuMs === undefined || workersCpuMs === undefined ? undefined : (nginxCpuMs + workersCpuMs) / requests
}

/** Three digits that count: 0.0162, 1.23, 45.6, 12,345. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '–'
  if (value >= 100) return Math.round(value).toLocaleString('en-US')
  return value === 0 ? '0' : value.toFixed(Math.max(0, 2 - Math.floor(Math.log10(value))))
}
