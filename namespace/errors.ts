/**
 * What can go wrong below the namespace's door, spelled as S3 spells it. No HTTP here: gateway/s3-errors.ts gives each
 * code its status and sentence, and does not compile while one is missing.
 */
export type NamespaceCode =
  | 'AccessDenied'
  | 'BadDigest'
  | 'BucketAlreadyExists'
  | 'BucketAlreadyOwnedByYou'
  | 'BucketNotEmpty'
  | 'ConditionalRequestConflict'
  | 'EntityTooLarge'
  | 'EntityTooSmall'
  | 'IncompleteBody'
  | 'InternalError'
  | 'InvalidArgument'
  | 'InvalidBucketName'
  | 'InvalidObjectName'
  | 'InvalidPart'
  | 'InvalidPartOrder'
  | 'InvalidRequest'
  | 'KeyTooLongError'
  | 'MethodNotAllowed'
  | 'NoSuchBucket'
  | 'NoSuchKey'
  | 'NoSuchUpload'
  | 'NoSuchVersion'
  | 'ObjectIsForeignFile'
  | 'QuotaExceeded'
  | 'ReadOnlyTree'
  | 'SlowDown'
  | 'StorageFull'

/** Elements that S3 puts beside Code and Message, e.g. `{ BucketName: 'photos' }`; `message` replaces the table's sentence. */
export type ErrorDetail = Readonly<Record<string, string | number | undefined>> & { readonly message?: string }

export class NamespaceError extends Error {
  readonly code: NamespaceCode
  readonly detail: ErrorDetail

  constructor(code: NamespaceCode, detail: ErrorDetail = {}, cause?: unknown) {
    super(detail.message ?? code, cause === undefined ? undefined : { cause })
    this.name = 'NamespaceError'
    this.code = code
    this.detail = detail
  }
}
