/**
 * Users that have been read, and whether that still holds. Once a second the controller is asked for its update sequence number: while it
 * stands still nobody has changed, and requests ask nothing; when it has moved, each user is read again at the next use. So somebody who is
 * disabled is out a second later, on every worker of every machine, and an idle gateway asks one small question a second.
 */
import { LRUCache } from 'lru-cache'
import type { PosixAnswer } from '../posix-id.ts'
import type { Account } from './account.ts'
import type { Answer, Group, Position } from './queries.ts'

export type Facts = {
  readonly account: Account
  /** Those of the account's groups that the domain knows. */
  readonly groups: readonly (Group & { readonly sid: string })[]
  readonly posix: PosixAnswer
}

/** Names of groups as they are while the sequence number stands still; undefined for a SID that the domain does not know. */
export type GroupsBySid = Map<string, Group | undefined>

export type KnownUsersEvent =
  /** Answered from memory. */
  | { readonly kind: 'hit' }
  /** Answered from memory because no controller does. */
  | { readonly kind: 'stale answer'; readonly objectGuid: string }
  | { readonly kind: 'read again'; readonly before: Facts; readonly after: Facts | undefined }
  | { readonly kind: 'unreachable'; readonly cause: unknown }
  | { readonly kind: 'reachable'; readonly silentMs: number }

export type KnownUsers = {
  /** undefined: gone. Rejects as `read` does where nothing is known that may still be used. */
  find(objectGuid: string): Promise<Facts | undefined>
  /** Asks where the controller stands; never rejects. To be called once a second, one call after the other. */
  poll(): Promise<void>
  isReachable(): boolean
}

export type KnownUsersOptions = {
  /** @param groups what is known of groups already; filled by the reader with what comes over the connection `groups` belongs to */
  readonly read: (objectGuid: string, known: KnownGroups | undefined) => Promise<Answer<Facts | undefined>>
  readonly readPosition: () => Promise<Answer<Position>>
  /** How long a user is known without a word from the directory. */
  readonly graceMs: number
  readonly events?: ((event: KnownUsersEvent) => void) | undefined
  /** Milliseconds of a clock that never goes back. */
  readonly now?: (() => number) | undefined
}

export type KnownGroups = { readonly connection: number; readonly bySid: GroupsBySid }

/** The time in which one sequence number holds. */
type Generation = KnownGroups & { readonly stamp: string; confirmedAtMs: number }

type Known = {
  readonly facts: Facts | undefined
  readonly readAtMs: number
  /** Counts up: two reads can begin in one moment. */
  readonly turn: number
  /** undefined: read from another controller than the one whose number is watched, which may be behind it. */
  readonly generation: Generation | undefined
}

const USERS_MAX = 10_000
/** Without a poll for so long, e.g. in a process that was stopped, a number is no longer taken as standing still. */
const SILENCE_MAX_MS = 5000
/** A lockout ends by the clock, and no number moves. */
const LOCKED_HOLDS_MS = 30_000

export function knownUsers(options: KnownUsersOptions): KnownUsers {
  const { read, readPosition, graceMs, events, now = () => performance.now() } = options
  const known = new LRUCache<string, Known>({ max: USERS_MAX })
  const reading = new Map<string, { readonly generation: Generation | undefined; readonly answer: Promise<Known> }>()
  let generation: Generation | undefined
  let silentSinceMs: number | undefined
  let turns = 0

  async function poll(): Promise<void> {
    const askedAtMs = now()
    try {
      const { value, connection } = await readPosition()
      const stamp = `${connection} ${value.controller} ${value.usn}`
      if (generation?.stamp === stamp) generation.confirmedAtMs = askedAtMs
      else generation = { stamp, connection, confirmedAtMs: askedAtMs, bySid: new Map() }
      if (silentSinceMs !== undefined) events?.({ kind: 'reachable', silentMs: now() - silentSinceMs })
      silentSinceMs = undefined
    } catch (cause) {
      generation = undefined
      if (silentSinceMs === undefined) events?.({ kind: 'unreachable', cause })
      silentSinceMs ??= askedAtMs
    }
  }

  function holds({ facts, generation: readIn, readAtMs }: Known): boolean {
    if (readIn === undefined || readIn !== generation) return false
    if (now() - readIn.confirmedAtMs > SILENCE_MAX_MS) return false
    return facts?.account.locked !== true || now() - readAtMs <= LOCKED_HOLDS_MS
  }

  /**
   * Many at once read once. But who asks after the number has moved does not take the answer to a question from before: it may be without the
   * change.
   */
  function readOnce(objectGuid: string): Promise<Known> {
    const running = reading.get(objectGuid)
    if (running !== undefined && running.generation === generation) return running.answer
    const started = { generation, answer: readNow(objectGuid, generation) }
    reading.set(objectGuid, started)
    const forget = () => {
      if (reading.get(objectGuid) === started) reading.delete(objectGuid)
    }
    started.answer.then(forget, forget)
    return started.answer
  }

  async function readNow(objectGuid: string, during: Generation | undefined): Promise<Known> {
    const readAtMs = now()
    turns += 1
    const turn = turns
    const { value: facts, connection } = await read(objectGuid, during)
    const fresh: Known = { facts, readAtMs, turn, generation: during?.connection === connection ? during : undefined }
    const before = known.get(objectGuid)
    if (before !== undefined && before.turn > turn) return fresh
    known.set(objectGuid, fresh)
    if (before?.facts !== undefined) events?.({ kind: 'read again', before: before.facts, after: facts })
    return fresh
  }

  return {
    poll,
    isReachable: () => silentSinceMs === undefined,
    async find(objectGuid) {
      const found = known.get(objectGuid)
      if (found !== undefined && holds(found)) {
        events?.({ kind: 'hit' })
        return found.facts
      }
      try {
        return (await readOnce(objectGuid)).facts
      } catch (error) {
        const last = known.get(objectGuid)
        if (last === undefined || now() - confirmedAtMs(last) > graceMs) throw error
        events?.({ kind: 'stale answer', objectGuid })
        return last.facts
      }
    },
  }
}

/** When the directory last said that it is so: by the answer, or by a number that stood still. */
function confirmedAtMs({ readAtMs, generation }: Known): number {
  return Math.max(readAtMs, generation?.confirmedAtMs ?? 0)
}
