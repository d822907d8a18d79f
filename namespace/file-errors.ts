import { type ErrorDetail, type NamespaceCode, NamespaceError } from './errors.ts'
import { FileError, type PosixIdentity } from './files.ts'

/**
 * errno → S3 code, for what no verb has a better answer to. What is not here is InternalError and keeps its cause, which is then logged: EIO
 * too, since a disk that fails is somebody's business (clients try again after a 500 as after a 503).
 */
const codes: Readonly<Record<string, NamespaceCode>> = {
  EACCES: 'AccessDenied',
  EPERM: 'AccessDenied',
  EROFS: 'ReadOnlyTree',
  ENOSPC: 'StorageFull',
  EDQUOT: 'QuotaExceeded',
  EFBIG: 'EntityTooLarge',
  ENAMETOOLONG: 'KeyTooLongError',
  ESTALE: 'SlowDown',
  EAGAIN: 'SlowDown',
  EBUSY: 'SlowDown',
  EINTR: 'SlowDown',
  EDEADLK: 'SlowDown',
  EMFILE: 'SlowDown',
  ENFILE: 'SlowDown',
  ENOMEM: 'SlowDown',
  ENOBUFS: 'SlowDown',
  /** No lock manager at the server, or not yet. */
  ENOLCK: 'SlowDown',
  /** A Kerberos ticket that somebody renews. */
  EKEYEXPIRED: 'SlowDown',
}

/**
 * What a soft mount says while its server is away (a hard one says nothing: bounded-files.ts), FUSE when its process has died (ENOTCONN), Ceph
 * when this client was shut out (ESHUTDOWN).
 */
const unreachable: readonly string[] = [
  'ETIMEDOUT',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'ENOTCONN',
  'ESHUTDOWN',
]

const noAnswer: ErrorDetail = { message: 'The file system does not answer. Please try again.' }

export const isErrno = (error: unknown, ...names: readonly string[]): error is FileError =>
  error instanceof FileError && names.includes(error.code)

/** A mount that answers so to a question about itself serves nothing. */
export const isUnreachable = (error: unknown): error is FileError => isErrno(error, ...unreachable, 'EIO', 'ESTALE')

/**
 * Anything thrown by a verb → what the door lets out: FileErrors become codes, all else passes. `asked`: under whose identity the file system was
 * asked; then what it refuses is refused with that reason.
 */
export function namespaceErrorOf(error: unknown, asked?: PosixIdentity): unknown {
  if (!(error instanceof FileError)) return error
  if (asked !== undefined && isErrno(error, 'EACCES', 'EPERM')) {
    const message = `The file system does not allow this to uid ${asked.uid} (${error.code}).`
    return new NamespaceError('AccessDenied', { message }, error)
  }
  if (unreachable.includes(error.code)) return new NamespaceError('SlowDown', noAnswer, error)
  return new NamespaceError(codes[error.code] ?? 'InternalError', {}, error)
}
