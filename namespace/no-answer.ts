import { FileError } from './files.ts'

/** A call that was given up, or not even made, because its mount does not answer. It may still take effect; `back` says when it no longer can. */
export class NoAnswerError extends FileError {
  /**
   * Resolves when every call that has been given up on this mount until now has come back, and the mount answers. Never rejects; may
   * take for ever.
   */
  readonly back: () => Promise<void>

  constructor(call: string, path: string, back: () => Promise<void>) {
    super('ETIMEDOUT', call, path)
    this.back = back
  }
}

/** The `back` of what caused `error`; undefined: it was something else. */
export function whenBack(error: unknown): (() => Promise<void>) | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (cause instanceof NoAnswerError) return cause.back
  return undefined
}

/**
 * Takes away what a failed request leaves: now, or, where the mount does not answer, when it does; nobody waits for that. Never rejects:
 * what stays even so is swept.
 */
export async function cleanUp(work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch (error) {
    void whenBack(error)?.()
      .then(work)
      .catch(() => undefined)
  }
}
