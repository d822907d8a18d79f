/** Which tests passed before, and what has become of them. */
export type Comparison = {
  readonly report: string
  /** In the baseline, and not passing now. */
  readonly lost: readonly string[]
  /** The baseline with the new passes. */
  readonly updated: string
}

/** `outcomes`: {node id: outcome} as causeway_s3tests.py writes it. `whole`: all of the selection was run, so what is missing is lost. */
export function compareWithBaseline(outcomes: unknown, baseline: string, whole: boolean): Comparison {
  const now = readOutcomes(outcomes)
  const before = baseline.split('\n').filter((line) => line !== '')
  const passed = [...now].filter(([, outcome]) => outcome === 'passed').map(([name]) => name)
  const lost = before.filter((name) => (now.has(name) ? now.get(name) !== 'passed' : whole))
  const gained = passed.filter((name) => !before.includes(name))
  const counts = new Map<string, number>()
  for (const outcome of now.values()) counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  const report = [
    [...counts].map(([outcome, count]) => `${count} ${outcome}`).join(', '),
    `${before.length} in the baseline, ${lost.length} of them lost, ${gained.length} gained`,
    ...lost.map((name) => `lost: ${name} (${now.get(name) ?? 'not run'})`),
  ]
  return {
    report: report.join('\n'),
    lost,
    updated: `${[...new Set([...before, ...passed])].sort().join('\n')}\n`,
  }
}

function readOutcomes(outcomes: unknown): ReadonlyMap<string, string> {
  if (typeof outcomes !== 'object' || outcomes === null)
    throw new Error('the results are no object of outcomes by test')
  return new Map(Object.entries(outcomes).map(([name, outcome]) => [name, String(outcome)]))
}
