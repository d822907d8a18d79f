/**
 * What S3 answers to a listing, over keys in an array: the oracle of the tests of walk and of listings.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
 */
export type ModelEntry = { readonly key: string } | { readonly prefix: string }

export type ModelQuery = { readonly prefix: string; readonly delimiter: string; readonly after: string }

/** In order of the bytes of UTF-8, which is not the order of JavaScript's strings: U+FFFF comes before U+10000. */
export const byBytes = (left: string, right: string): number => Buffer.compare(Buffer.from(left), Buffer.from(right))

export function listModel(keys: readonly string[], query: ModelQuery): ModelEntry[] {
  const { prefix, delimiter, after } = query
  const groupOf = (key: string): string | undefined => {
    if (delimiter === '' || !key.startsWith(prefix)) return undefined
    const at = key.slice(prefix.length).indexOf(delimiter)
    return at < 0 ? undefined : key.slice(0, prefix.length + at + delimiter.length)
  }
  const done = groupOf(after) === after ? after : undefined
  const groups = new Set<string>()
  const entries: ModelEntry[] = []
  for (const key of [...new Set(keys)].sort(byBytes)) {
    if (!key.startsWith(prefix) || (after !== '' && byBytes(key, after) <= 0)) continue
    const group = groupOf(key)
    if (group === undefined) {
      entries.push({ key })
    } else if (group !== done && !groups.has(group)) {
      groups.add(group)
      entries.push({ prefix: group })
    }
  }
  return entries
}
