/**
 * What one key of a versioned bucket may hold, and what each operation on it may find and leave: its versions and delete markers, newest first.
 *
 * A version's id says where it comes among the others (namespace/README.md, "Versions"): a write is possible only while its id is greater than that
 * of all that are there. So the checker never has to guess in which order two writes at once came, which would show only when what came after
 * them is deleted; and the state follows from which operations have been taken.
 */
import type { Model, Timed } from '../linearizable.ts'

/** `eTag` undefined: a delete marker; '*': not known. */
export type Stacked = { readonly versionId: string; readonly eTag: string | undefined }

/** What an operation must find. */
export type StackWant =
  /** The newest is this one. */
  | { readonly kind: 'top'; readonly versionId: string }
  /** There is an object of this ETag; of any, without. */
  | { readonly kind: 'object'; readonly eTag?: string }
  /** There is none of this ETag: another, or none. */
  | { readonly kind: 'other'; readonly eTag: string }
  /** The newest is a marker, or there is nothing. */
  | { readonly kind: 'hidden' }
  /** There is no version, and no marker. */
  | { readonly kind: 'nothing' }
  | { readonly kind: 'has' | 'has not'; readonly versionId: string }

export type StackMake =
  | { readonly kind: 'push'; readonly version: Stacked }
  | { readonly kind: 'remove'; readonly versionId: string }

export type StackOperation = Timed & {
  /** Of the event it comes from, for reports. */
  readonly event: number
  readonly want?: StackWant
  /** undefined: it only looks. */
  readonly make?: StackMake
}

/** Equal states are the same value. */
export type Stack = { readonly number: number; readonly top?: Stacked; readonly below?: Stack }

/** One for each check: it remembers every state that it has made. */
export function createStackModel(): Model<Stack, StackOperation> {
  const empty: Stack = { number: 0 }
  const states = new Map<string, Stack>()
  const push = (below: Stack, top: Stacked): Stack => {
    const name = `${below.number} ${top.versionId}`
    const state = states.get(name) ?? { number: states.size + 1, top, below }
    states.set(name, state)
    return state
  }
  /** undefined: it is not there. */
  function remove(state: Stack, versionId: string): Stack | undefined {
    const above: Stacked[] = []
    for (let at: Stack | undefined = state; at?.top !== undefined; at = at.below) {
      if (at.top.versionId === versionId) return above.reduceRight(push, at.below ?? empty)
      above.push(at.top)
    }
    return undefined
  }
  return {
    initial: empty,
    step(state, { want, make }) {
      if (want !== undefined && !fits(state, want)) return undefined
      if (make === undefined) return state
      if (make.kind === 'remove') return remove(state, make.versionId)
      const { version } = make
      return state.top !== undefined && state.top.versionId >= version.versionId ? undefined : push(state, version)
    },
    isRead: ({ make }) => make === undefined,
    // What was written is found again when what lies on it is deleted: no write goes unnoticed.
    isBlind: () => false,
    keyOf: ({ number }) => String(number),
  }
}

type Wants = {
  readonly [Kind in StackWant['kind']]: (state: Stack, want: Extract<StackWant, { kind: Kind }>) => boolean
}

const isObject = ({ top }: Stack, eTag?: string): boolean =>
  top?.eTag !== undefined && (eTag === undefined || top.eTag === '*' || top.eTag === eTag)

function has(state: Stack, versionId: string): boolean {
  for (let at: Stack | undefined = state; at?.top !== undefined; at = at.below) {
    if (at.top.versionId === versionId) return true
  }
  return false
}

const wants: Wants = {
  top: ({ top }, { versionId }) => top?.versionId === versionId,
  object: (state, { eTag }) => isObject(state, eTag),
  other: ({ top }, { eTag }) => top?.eTag === undefined || top.eTag === '*' || top.eTag !== eTag,
  hidden: ({ top }) => top?.eTag === undefined,
  nothing: ({ top }) => top === undefined,
  has: (state, { versionId }) => has(state, versionId),
  'has not': (state, { versionId }) => !has(state, versionId),
}

// The table has a function for each kind; that it is the one for this kind, no type can say.
const fits = (state: Stack, want: StackWant): boolean =>
  (wants[want.kind] as (state: Stack, want: StackWant) => boolean)(state, want)
