import type { PageTokens } from '../list-page.ts'

/**
 * Where the next page begins, as an opaque, URL-safe word (P-109). It holds nothing but a name of the listing itself, which the caller
 * may ask for by start-after as well; so it is not sealed, only marked, so that garbage is noticed.
 */
export const continuationToken: PageTokens = {
  sealToken: (after) => Buffer.from(`1${after}`).toString('base64url'),
  openToken(token) {
    const bytes = Buffer.from(token, 'base64url')
    const after = bytes.toString()
    const ours = after.startsWith('1') && bytes.toString('base64url') === token && Buffer.from(after).equals(bytes)
    return ours ? after.slice(1) : undefined
  },
}
