/** The common prefix that a key falls into: "a/b/c" with prefix "a/" and delimiter "/" → "a/b/". undefined: it stands for itself. */
export function commonPrefix(key: string, prefix: string, delimiter: string): string | undefined {
  const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
  return at < 0 ? undefined : key.slice(0, at + delimiter.length)
}
