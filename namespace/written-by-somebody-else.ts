import { NamespaceError } from './errors.ts'

/** Nothing was changed, and the client may try again. */
export const writtenBySomebodyElse = (cause?: unknown): NamespaceError =>
  new NamespaceError('SlowDown', { message: 'The key is being written by somebody else.' }, cause)
