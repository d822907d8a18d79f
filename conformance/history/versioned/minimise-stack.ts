import { checkLinearizable } from '../linearizable.ts'
import { createStackModel, type StackOperation, type StackWant } from './stack.ts'

const CONFIGURATIONS_MAX = 50_000
const TIME_MAX_MS = 8000

type Operations = readonly StackOperation[]

/**
 * Few operations that no order explains, out of many that none explains. What is left out would only make it harder to explain the rest: what
 * began later, readers, conditions, and versions with all that is told of them.
 *
 * `stuck`: where the check of the whole came to its end. undefined: it would take too long.
 */
export function minimiseStack(operations: Operations, stuck: Operations): Operations | undefined {
  const giveUpMs = Date.now() + TIME_MAX_MS
  const lastEnd = Math.max(...stuck.map(({ end }) => end))
  const early = operations.filter(({ start, end, make }) => start <= lastEnd && (make !== undefined || end <= lastEnd))
  if (!fails(early)) return undefined
  let left: Operations = early
  const shrink = <Item>(
    itemsOf: (left: Operations) => readonly Item[],
    without: (items: readonly Item[]) => Operations,
  ) => {
    let items = itemsOf(left)
    for (let size = Math.ceil(items.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let from = items.length - size; from > -size && Date.now() < giveUpMs; from -= size) {
        const chosen = items.slice(Math.max(0, from), from + size)
        const fewer = without(chosen)
        if (!fails(fewer)) continue
        left = fewer
        const gone = new Set(chosen)
        items = items.filter((item) => !gone.has(item))
      }
    }
  }
  shrink(
    (all) => all.filter(({ make }) => make === undefined),
    (reads) => left.filter((each) => !reads.includes(each)),
  )
  shrink(
    (all) => all.filter(({ make, want }) => make !== undefined && want !== undefined),
    (conditional) =>
      left.map((each) => (conditional.some(({ event }) => event === each.event) ? unconditional(each) : each)),
  )
  // What is said of the state without naming a version could be of one that is taken out.
  if (!left.some(({ want }) => want !== undefined && isVague(want)))
    shrink(
      (all) => [...new Set(all.flatMap(versionIn))],
      (ids) => left.filter((each) => !versionIn(each).some((id) => ids.includes(id))),
    )
  return left
}

const fails = (operations: Operations): boolean =>
  checkLinearizable(createStackModel(), operations, { configurationsMax: CONFIGURATIONS_MAX }).kind === 'violation'

function unconditional({ want: _want, ...operation }: StackOperation): StackOperation {
  return operation
}

const isVague = ({ kind }: StackWant): boolean => kind === 'object' || kind === 'other' || kind === 'hidden'

function versionIn({ want, make }: StackOperation): readonly string[] {
  const made = make === undefined ? [] : [make.kind === 'push' ? make.version.versionId : make.versionId]
  return want !== undefined && 'versionId' in want ? [...made, want.versionId] : made
}
