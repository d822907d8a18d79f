/** A command cannot do what it was asked to. `message` is one plain sentence that says what to do; see sentence.ts. */
export class CommandError extends Error {
  constructor(sentence: string, cause?: unknown) {
    super(sentence, cause === undefined ? undefined : { cause })
    this.name = 'CommandError'
  }
}

/** A system call that failed; `code` is its errno. */
export type Errno = Error & { readonly code: string; readonly path?: string; readonly syscall?: string }

export function isErrno(error: unknown): error is Errno {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && /^E[A-Z0-9]+$/.test(error.code)
}
