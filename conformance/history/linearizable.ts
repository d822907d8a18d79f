/**
 * Is there an order of events that explains what all clients saw? Each operation took effect at one moment between its start and its end;
 * one that was never answered (end: Infinity) at any moment after its start, or never.
 *
 * The search of Wing and Gong ("Testing and verifying concurrent objects", 1993): take an operation that may have been the next one, step
 * the model, go on, come back when stuck; with Lowe's memory of configurations that have led nowhere ("Testing for linearizability",
 * 2017). Three things keep histories of 10,000 operations a key within seconds:
 *
 * - A read that fits the state now is taken now, with no other choice: it changes nothing, so it never fits better later.
 * - Unanswered operations are tried only right before one whose outcome they change. Where nothing notices one, the order without it is as good.
 * - A configuration is the first operation that is missing in order of start, and the few after it that are not.
 * - Of two that differ only in which unanswered ones have happened, one with more of them leads nowhere if one with fewer does not: whatever
 *   happened in the order that goes on from it may as well never have happened. Nine unanswered changes of metadata are nine states, not 9 · 2⁸.
 */

export type Timed = {
  /** Any unit, one clock for all. */
  readonly start: number
  /** Infinity: never answered. */
  readonly end: number
}

export type Model<State, Operation> = {
  readonly initial: State
  /** undefined: the operation cannot have had this outcome in this state. */
  step(state: State, operation: Operation): State | undefined
  /** Leaves every state in which it is possible as it is. */
  isRead(operation: Operation): boolean
  /** Possible in every state, with the same state after it. */
  isBlind(operation: Operation): boolean
  /** The same for equal states, different for others. */
  keyOf(state: State): string
}

export type Verdict<State, Operation> =
  | { readonly kind: 'linearizable' }
  | {
      readonly kind: 'violation'
      /** The longest explained beginning, its state, and what may come next and cannot. */
      readonly explained: readonly Operation[]
      readonly state: State
      readonly stuck: readonly Operation[]
    }
  /** Given up after `configurationsMax`. */
  | { readonly kind: 'undecided'; readonly configurations: number }

type Options = {
  /** Configurations looked at before giving up. */
  readonly configurationsMax?: number
}

type Node<State, Operation> = {
  readonly state: State
  /** All known operations before this index have been taken. */
  readonly first: number
  /** Indexes of the others that have been taken, ascending. */
  readonly beyond: readonly number[]
  /** Indexes of the unanswered ones that have been taken, ascending. */
  readonly used: readonly number[]
  readonly taken: number
  readonly before: Node<State, Operation> | undefined
  readonly by: readonly Operation[]
}

const CONFIGURATIONS_MAX = 3_000_000

export function checkLinearizable<State, Operation extends Timed>(
  model: Model<State, Operation>,
  operations: readonly Operation[],
  { configurationsMax = CONFIGURATIONS_MAX }: Options = {},
): Verdict<State, Operation> {
  const byStart = operations.toSorted((one, other) => one.start - other.start)
  const known = byStart.filter(({ end }) => end !== Number.POSITIVE_INFINITY)
  const unanswered = byStart.filter((each) => each.end === Number.POSITIVE_INFINITY && !model.isRead(each))
  const search: Search<State, Operation> = { model, known, unanswered }

  const root = { state: model.initial, first: 0, beyond: [], used: [], taken: 0, before: undefined, by: [] }
  const seen = createMemory()
  const waiting: Node<State, Operation>[] = [root]
  let deepest: Node<State, Operation> = root
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (node.taken === known.length) return { kind: 'linearizable' }
    if (!seen.isNew(`${node.first};${node.beyond.join()};${model.keyOf(node.state)}`, node.used)) continue
    if (seen.size() > configurationsMax) return { kind: 'undecided', configurations: seen.size() }
    if (node.taken > deepest.taken) deepest = node
    // The last one pushed is looked at first: the one that has to come soonest.
    waiting.push(...followers(search, node).reverse())
  }
  return { kind: 'violation', explained: path(deepest), state: deepest.state, stuck: candidates(search, deepest).next }
}

/** Of what has been looked at, with which unanswered operations. What is looked at later has all below it looked at before, so it has failed. */
function createMemory(): { isNew(key: string, used: readonly number[]): boolean; size(): number } {
  const known = new Map<string, (readonly number[])[]>()
  let size = 0
  return {
    isNew(key, used) {
      const before = known.get(key)
      if (before?.some((fewer) => fewer.length <= used.length && fewer.every((index) => used.includes(index))))
        return false
      if (before === undefined) known.set(key, [used])
      else before.push(used)
      size++
      return true
    },
    size: () => size,
  }
}

type Search<State, Operation> = {
  readonly model: Model<State, Operation>
  /** By start. */
  readonly known: readonly Operation[]
  readonly unanswered: readonly Operation[]
}

type Candidates<Operation> = {
  /** Those before which no other one must have happened; soonest end first. */
  readonly next: readonly Operation[]
  readonly indexes: readonly number[]
  /** The earliest end among all that are left: what is taken now must have started by then. */
  readonly deadline: number
}

function candidates<State, Operation extends Timed>(
  { known }: Search<State, Operation>,
  { first, beyond }: Node<State, Operation>,
): Candidates<Operation> {
  const found: { readonly operation: Operation; readonly index: number }[] = []
  let [deadline, skip] = [Number.POSITIVE_INFINITY, 0]
  for (let index = first; index < known.length; index++) {
    if (beyond[skip] === index) {
      skip++
      continue
    }
    const operation = known[index]
    if (operation === undefined || operation.start > deadline) break
    found.push({ operation, index })
    deadline = Math.min(deadline, operation.end)
  }
  const next = found
    .filter(({ operation }) => operation.start <= deadline)
    .sort((one, other) => one.operation.end - other.operation.end)
  return { next: next.map(({ operation }) => operation), indexes: next.map(({ index }) => index), deadline }
}

function followers<State, Operation extends Timed>(
  search: Search<State, Operation>,
  node: Node<State, Operation>,
): Node<State, Operation>[] {
  const { model } = search
  const { next, indexes, deadline } = candidates(search, node)
  const read = next.findIndex((operation) => model.isRead(operation) && model.step(node.state, operation) !== undefined)
  if (read !== -1) {
    const [operation, index] = [next[read], indexes[read]]
    if (operation !== undefined && index !== undefined) return [follow(node, index, node.state, node.used, [operation])]
  }

  const found: Node<State, Operation>[] = []
  let chains: readonly Chain<State, Operation>[] | undefined
  for (const [at, operation] of next.entries()) {
    const index = indexes[at] ?? 0
    const direct = model.step(node.state, operation)
    if (direct !== undefined) found.push(follow(node, index, direct, node.used, [operation]))
    if (model.isBlind(operation)) continue
    chains ??= chainsFrom(search, node, deadline)
    for (const chain of chains) {
      const state = model.step(chain.state, operation)
      if (state === undefined) continue
      if (direct !== undefined && model.keyOf(direct) === model.keyOf(state)) continue
      found.push(follow(node, index, state, chain.used, [...chain.by, operation]))
    }
  }
  return found
}

type Chain<State, Operation> = {
  readonly state: State
  readonly used: readonly number[]
  readonly by: readonly Operation[]
}

/**
 * The states that unanswered operations lead to, one or several after another, each by as few as there need to be. Of several only the first may
 * be blind: what comes before a blind one is noticed by nobody.
 */
function chainsFrom<State, Operation extends Timed>(
  { model, unanswered }: Search<State, Operation>,
  node: Node<State, Operation>,
  deadline: number,
): readonly Chain<State, Operation>[] {
  const start: Chain<State, Operation> = { state: node.state, used: node.used, by: [] }
  const found = [start]
  const seen = createMemory()
  seen.isNew(model.keyOf(start.state), start.used)
  // Grows while it is gone through: the shorter ones come first.
  for (const chain of found) {
    for (const [index, operation] of unanswered.entries()) {
      if (operation.start > deadline) break
      if (chain.used.includes(index) || (chain.by.length > 0 && model.isBlind(operation))) continue
      const state = model.step(chain.state, operation)
      if (state === undefined) continue
      const used = [...chain.used, index].sort((one, other) => one - other)
      if (seen.isNew(model.keyOf(state), used)) found.push({ state, used, by: [...chain.by, operation] })
    }
  }
  return found.slice(1)
}

function follow<State, Operation>(
  node: Node<State, Operation>,
  index: number,
  state: State,
  used: readonly number[],
  by: readonly Operation[],
): Node<State, Operation> {
  const beyond = [...node.beyond, index].sort((one, other) => one - other)
  let first = node.first
  while (beyond[0] === first) {
    beyond.shift()
    first++
  }
  return { state, first, beyond, used, taken: node.taken + 1, before: node, by }
}

function path<State, Operation>(node: Node<State, Operation>): readonly Operation[] {
  const steps: (readonly Operation[])[] = []
  for (let at: Node<State, Operation> | undefined = node; at !== undefined; at = at.before) steps.push(at.by)
  return steps.reverse().flat()
}
