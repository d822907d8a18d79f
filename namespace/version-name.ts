/**
 * Version ids and the names of older versions: pure.
 *
 * An id is `<order><nonce>`, 10 + 16 letters and digits. The order is milliseconds, in base 36, made under the key's exclusive lock: now, or one more
 * than that of the version before, so that ids and names sort by age whatever the clocks of several machines say.
 *
 *   .s3/versions/<path of the key>/.%@<order>-<id or null>           an older version
 *   .s3/versions/<path of the key>/.%@<order>-<id or null>-marker    a delete marker
 *   .s3/versions/<path of the key>/.%@<order>-<id or null>-pending   one that counts only while its key has no current version
 */
export type VersionEntry = {
  /** On disk, in the key's directory of versions. */
  readonly name: string
  readonly versionId: string
  readonly order: number
  readonly isMarker: boolean
  /** A marker whose object may still be there, or is about to be there again. */
  readonly isPending: boolean
}

export const nullVersion = 'null'

const orderDigits = 10
const orderMax = 36 ** orderDigits - 1

const idPattern = /^([0-9a-z]{10})[0-9a-z]{16}$/
const namePattern = /^\.%@([0-9a-z]{10})-(null|[0-9a-z]{26})(-marker|-pending)?$/

const orderText = (order: number): string => order.toString(36).padStart(orderDigits, '0')

/** Of a time, which a file user may have set to anything. */
export const orderOfTime = (ms: number): number => Math.min(Math.max(0, Math.floor(ms)), orderMax - 36 ** 6)

export const makeVersionId = (order: number, nonce: string): string => orderText(order) + nonce.slice(0, 16)

/** undefined: no id of ours; 'null' has none in it. */
export function orderOfId(versionId: string): number | undefined {
  const text = idPattern.exec(versionId)?.[1]
  return text === undefined ? undefined : Number.parseInt(text, 36)
}

export const isVersionId = (text: string): boolean => text === nullVersion || idPattern.test(text)

/** Of a version with bytes, or of a marker in either state. */
export const versionName = (
  { order, versionId }: Pick<VersionEntry, 'order' | 'versionId'>,
  state: '' | '-marker' | '-pending',
): string => `.%@${orderText(order)}-${versionId}${state}`

/** undefined: not a version's name (a temporary, the directory of a longer key). */
export function parseVersionName(name: string): VersionEntry | undefined {
  const [, order = '', versionId = '', state] = namePattern.exec(name) ?? []
  if (versionId === '') return undefined
  const isPending = state === '-pending'
  return { name, versionId, order: Number.parseInt(order, 36), isMarker: state !== undefined, isPending }
}
