/** The door of namespace/. */
export { type ErrorDetail, type NamespaceCode, NamespaceError } from './errors.ts'
export type { DigestName, PosixIdentity } from './files.ts'
export type * from './verbs.ts'
