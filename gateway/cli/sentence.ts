/**
 * What the command line says when something cannot be done: one plain sentence that names what to do, exit code 1, no stack trace.
 * Anything that is not recognised here is a bug and keeps its stack.
 */
import { AuthError } from '#auth'
import { NamespaceError } from '#namespace'
import { ConfigError } from '../config.ts'
import { CommandError, type Errno, isErrno } from './command-error.ts'

/** The sentence for `error`; undefined when nobody expected it. */
export function sentenceOf(error: unknown): string | undefined {
  if (error instanceof CommandError) return error.message
  if (error instanceof ConfigError) return error.problems.join('\n')
  if (error instanceof NamespaceError || error instanceof AuthError) return ofCode(error)
  if (isErrno(error)) return ofErrno(error)
  return undefined
}

const ERRNO: Readonly<Record<string, string>> = {
  EACCES: 'may not be used by this account; give it the right, or choose another place',
  EPERM: 'may not be used by this account; give it the right, or choose another place',
  EROFS: 'is on a file system that is mounted read-only; choose another place',
  ENOSPC: 'cannot be written because the file system is full; make room',
  EDQUOT: 'cannot be written because the quota is used up; make room',
  ENOENT: 'does not exist; check the path',
  ENOTDIR: 'has a file where a directory is needed; check the path',
  EISDIR: 'is a directory where a file is needed; check the path',
  ESTALE: 'is on a mount that has gone stale; mount it again',
  ENAMETOOLONG: 'is too long a path; choose a shorter one',
  EMFILE: 'cannot be opened because too many files are open; raise the limit (ulimit -n)',
}

function ofErrno(error: Errno): string | undefined {
  const meaning = ERRNO[error.code]
  if (meaning === undefined || error.path === undefined) return undefined
  return `${error.path} ${meaning} (${error.code}).`
}

const CODES: Readonly<Record<string, string>> = {
  NoSuchBucket: 'There is no such bucket; `causeway buckets list` shows those there are.',
  BucketAlreadyExists: 'A bucket or a directory of that name is there already; choose another name.',
  BucketAlreadyOwnedByYou: 'A bucket of that name is there already.',
  BucketNotEmpty: 'The bucket is not empty; remove its objects first.',
  InvalidBucketName:
    'That is no bucket name; use 3 to 63 lower-case letters, digits, dots and dashes, beginning and ending with a letter or digit.',
}

function ofCode(error: NamespaceError | AuthError): string | undefined {
  const { message } = error.detail
  if (message !== undefined) return /[.!]$/.test(message) ? message : `${message}.`
  return CODES[error.code]
}
