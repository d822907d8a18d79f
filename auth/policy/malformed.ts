import { AuthError } from '../errors.ts'

/** AWS's sentences, where known (P-188). */
export function malformed(message: string): AuthError {
  return new AuthError('MalformedPolicy', { message })
}
