import type { S3Headers } from './s3-request.ts'

/** The caller wants to pass over GOVERNANCE; tolerated where nothing is locked (P-152). */
export const bypassesGovernance = (headers: S3Headers): boolean =>
  headers.get('x-amz-bypass-governance-retention')?.toLowerCase() === 'true'
