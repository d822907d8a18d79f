import { checkLinearizable, type Model } from './linearizable.ts'
import { fits, type KeyOperation, type KeyState, keyModel, type Want } from './register.ts'

const CONFIGURATIONS_MAX = 200_000
const TIME_MAX_MS = 15_000

/**
 * Few operations that no order explains, out of many that none explains. What is left out would only make it harder to explain the rest:
 * what came long before, if the rest fits no beginning whatever; what had not ended when it was certain; readers; writes that
 * nobody who is left has seen.
 *
 * `stuck`: where the check of the whole came to its end.
 */
export function minimise(operations: readonly KeyOperation[], stuck: readonly KeyOperation[]): readonly KeyOperation[] {
  const giveUpMs = Date.now() + TIME_MAX_MS
  const lastEnd = Math.max(...stuck.map(({ end }) => end).filter(Number.isFinite))
  const window = lastWindow(until(operations, lastEnd))
  if (window === undefined) return operations
  let left: readonly KeyOperation[] = window
  for (let size = Math.ceil(left.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = left.length - size; from > -size && Date.now() < giveUpMs; from -= size) {
      const before = left
      const without = before.filter((each, index) => index < from || index >= from + size || !isRemovable(each, before))
      if (without.length < before.length && isSound(without, before) && fails(without)) left = without
    }
  }
  return left
}

/** The last operations that cannot be explained whatever the key held before them. */
function lastWindow(operations: readonly KeyOperation[]): readonly KeyOperation[] | undefined {
  const byEnd = operations.toSorted((one, other) => one.end - other.end)
  const finite = byEnd.filter(({ end }) => end !== Number.POSITIVE_INFINITY)
  for (let size = 20; ; size *= 2) {
    const from = finite.at(-size)?.end ?? Number.NEGATIVE_INFINITY
    const window = byEnd.filter(({ end }) => end >= from)
    if (fails(window)) return window
    if (size > finite.length) return undefined
  }
}

/** Writes are taken out as long as nobody who is left has seen them. */
function isSound(without: readonly KeyOperation[], before: readonly KeyOperation[]): boolean {
  const kept = new Set(without)
  return before.every((operation) => kept.has(operation) || isRemovable(operation, without))
}

const ANYTHING = 'anything'

/** A key that may have held anything: it fits what is seen of it, until somebody replaces it. */
const fromAnything: Model<KeyState | typeof ANYTHING, KeyOperation> = {
  ...keyModel,
  initial: ANYTHING,
  step(state, operation) {
    if (state !== ANYTHING) return keyModel.step(state, operation)
    const { make, by } = operation
    if (by === 'file' || make === undefined || make.kind === 'metadata' || make.kind === 'bytes') return state
    return { value: make.kind === 'value' ? make.value : undefined, below: [] }
  },
  keyOf: (state) => (state === ANYTHING ? ANYTHING : keyModel.keyOf(state)),
}

const fails = (operations: readonly KeyOperation[]): boolean =>
  checkLinearizable(fromAnything, operations, { configurationsMax: CONFIGURATIONS_MAX }).kind === 'violation'

function isRemovable(operation: KeyOperation, others: readonly KeyOperation[]): boolean {
  const { make, by, want } = operation
  if (make === undefined) return true
  if (by === 'file' || want !== undefined || (make.kind !== 'value' && make.kind !== 'absent')) return false
  const value = make.kind === 'value' ? make.value : undefined
  return others.every(
    (other) => other === operation || (!isVague(other) && (other.want === undefined || !fits(value, other.want))),
  )
}

/** Says what it has not found, or takes over what it finds: then any write may matter to it. */
function isVague({ want, make, by }: KeyOperation): boolean {
  return by === 'file' || make?.kind === 'metadata' || (want !== undefined && !isExact(want))
}

const isExact = (want: Want): boolean =>
  want === 'absent' ||
  ((want.content ?? want.eTag ?? want.meta) !== undefined &&
    want.notETag === undefined &&
    want.notContent === undefined)

function until(operations: readonly KeyOperation[], time: number): readonly KeyOperation[] {
  return operations.flatMap((operation) => {
    if (operation.end <= time) return [operation]
    if (operation.make === undefined || operation.start > time) return []
    return [{ ...operation, end: Number.POSITIVE_INFINITY }]
  })
}
