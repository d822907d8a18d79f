/** Header values by lower-case name, in the order in which they came. */
export type ReceivedHeaders = ReadonlyMap<string, readonly string[]>

export function receivedHeaders(pairs: readonly (readonly [string, string])[]): ReceivedHeaders {
  const headers = new Map<string, string[]>()
  for (const [name, value] of pairs) {
    const values = headers.get(name)
    if (values === undefined) headers.set(name, [value])
    else values.push(value)
  }
  return headers
}

/** One value; duplicates joined by a comma, so that a header sent twice is never quietly halved. */
export function headerValue(headers: ReceivedHeaders, name: string): string | undefined {
  const values = headers.get(name)
  if (values === undefined) return undefined
  return values.length === 1 ? values[0]?.trim() : values.join(',')
}
