import type { SealedTokens } from '#auth'
import type { PageTokens } from '../list-page.ts'

/**
 * Where the next page of one listing begins, sealed: every worker of the tree opens it, before and after a restart, and no client can
 * read it, make one, or carry it to another listing (P-109).
 *
 * @param listing AWS's name of the operation
 * @param of what is listed: a bucket's name, or the canonical id of the account whose buckets they are
 */
export function continuationTokens(tokens: SealedTokens, listing: string, of: string): PageTokens {
  const context = `${listing} ${of}`
  return {
    sealToken: (after) => tokens.seal(after, context),
    openToken: (token) => tokens.open(token, context),
  }
}
