/** S3 in a Map: what any history of plain operations on one unversioned bucket must come to. */
export type Model = {
  put(key: string, content: string): void
  get(key: string): string | undefined
  remove(key: string): void
  /** In byte order. */
  keys(): readonly string[]
}

export function createModel(): Model {
  const objects = new Map<string, string>()
  return {
    put: (key, content) => objects.set(key, content),
    get: (key) => objects.get(key),
    remove: (key) => objects.delete(key),
    keys: () => [...objects.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
  }
}
