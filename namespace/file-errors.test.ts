import { expect, test } from 'vitest'
import { NamespaceError } from './errors.ts'
import { namespaceErrorOf } from './file-errors.ts'
import { FileError } from './files.ts'

test.each([
  // of a server
  ['ESTALE', 'SlowDown'],
  ['ETIMEDOUT', 'SlowDown'],
  ['EHOSTDOWN', 'SlowDown'],
  ['EHOSTUNREACH', 'SlowDown'],
  ['ENETDOWN', 'SlowDown'],
  ['ENETUNREACH', 'SlowDown'],
  ['ECONNREFUSED', 'SlowDown'],
  ['ECONNRESET', 'SlowDown'],
  ['ECONNABORTED', 'SlowDown'],
  ['ENOTCONN', 'SlowDown'],
  ['ESHUTDOWN', 'SlowDown'],
  ['ENOLCK', 'SlowDown'],
  ['EKEYEXPIRED', 'SlowDown'],
  // of this machine, for now
  ['EAGAIN', 'SlowDown'],
  ['EBUSY', 'SlowDown'],
  ['EINTR', 'SlowDown'],
  ['EDEADLK', 'SlowDown'],
  ['EMFILE', 'SlowDown'],
  ['ENFILE', 'SlowDown'],
  ['ENOMEM', 'SlowDown'],
  ['ENOBUFS', 'SlowDown'],
  // of the tree
  ['EROFS', 'ReadOnlyTree'],
  ['ENOSPC', 'StorageFull'],
  ['EDQUOT', 'QuotaExceeded'],
  ['EFBIG', 'EntityTooLarge'],
  ['ENAMETOOLONG', 'KeyTooLongError'],
  ['EACCES', 'AccessDenied'],
  ['EPERM', 'AccessDenied'],
  // nobody foresaw it, or somebody must act
  ['EIO', 'InternalError'],
  ['EUNKNOWN', 'InternalError'],
])('%s is answered %s, and what the system said is kept for the log', (errno, code) => {
  const cause = new FileError(errno, 'fsync', 'a/b')
  const error = namespaceErrorOf(cause)
  expect(error).toBeInstanceOf(NamespaceError)
  expect(error).toMatchObject({ code, cause })
  expect(String(error)).not.toContain('a/b')
})

test('what is not of a file passes as it is', () => {
  const error = new NamespaceError('NoSuchKey')
  expect(namespaceErrorOf(error)).toBe(error)
})
