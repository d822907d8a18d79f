const unitsMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `"2s"` → 2000, `"1d"` → 86 400 000; of the form that the configuration's schema asks for. */
export function durationMs(text: string): number {
  const unitMs = unitsMs[text.slice(-1)]
  if (unitMs === undefined || !/^[1-9]\d*[smhd]$/.test(text))
    throw new Error(`'${text}' is no time such as "1d" or "10s"`)
  return Number(text.slice(0, -1)) * unitMs
}
