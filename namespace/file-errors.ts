import { type NamespaceCode, NamespaceError } from './errors.ts'
import { FileError } from './files.ts'

/** errno → S3 code, for what no verb has a better answer to. What is not here is InternalError and keeps its cause. */
const codes: Readonly<Record<string, NamespaceCode>> = {
  EACCES: 'AccessDenied',
  EPERM: 'AccessDenied',
  EROFS: 'ReadOnlyTree',
  ENOSPC: 'StorageFull',
  EDQUOT: 'QuotaExceeded',
  EFBIG: 'EntityTooLarge',
  ENAMETOOLONG: 'KeyTooLongError',
  ESTALE: 'SlowDown',
  ETIMEDOUT: 'SlowDown',
  EAGAIN: 'SlowDown',
  EMFILE: 'SlowDown',
  ENFILE: 'SlowDown',
  ENOMEM: 'SlowDown',
}

export const isErrno = (error: unknown, ...names: readonly string[]): error is FileError =>
  error instanceof FileError && names.includes(error.code)

/** Anything thrown by a verb → what the door lets out: FileErrors become codes, all else passes. */
export function namespaceErrorOf(error: unknown): unknown {
  if (!(error instanceof FileError)) return error
  return new NamespaceError(codes[error.code] ?? 'InternalError', {}, error)
}
