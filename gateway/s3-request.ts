/** A request in S3's words. Pure: raw URL + Host + headers → bucket, key, query, headers. */

/** Query parameters, percent-decoded once (`+` stays a plus). `?acl` and `?acl=` are the same. */
export type S3Query = {
  has(name: string): boolean
  /** The first value; '' for `?acl`. */
  get(name: string): string | undefined
  names(): readonly string[]
}

/** Headers by lower-case name, values Latin-1. x-amz-* parameters of a presigned URL count as headers (P-055). */
export type S3Headers = {
  get(name: string): string | undefined
  /** [name, value] of all that start so, in order. */
  startingWith(prefix: string): readonly (readonly [string, string])[]
}
