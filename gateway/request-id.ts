/** The two ids on every answer (P-017). */
import { createHash, randomBytes } from 'node:crypto'
import { hostname } from 'node:os'

/** x-amz-request-id: 16 hex digits. Behind nginx it is nginx's, so that its access log and ours tell the same story. */
export function newRequestId(): string {
  return randomBytes(8).toString('hex').toUpperCase()
}

/** x-amz-id-2: which machine answered, without its name. */
export const hostId = createHash('sha256').update(hostname()).digest('base64')
