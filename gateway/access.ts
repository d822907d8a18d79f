/** What an operation may ask about rights beyond the request itself, which authorize.ts has asked about. */

export type Resource = { readonly bucket: string; readonly key: string; readonly versionId?: string | undefined }

export type Access = {
  /** `action` without its `Version` form. Throws NoSuchBucket, AccessDenied. */
  require(action: string, resource: Resource): Promise<void>
}
