import { expiresAtMs, type LifecycleDocument, type ObjectStat, realDayMs } from '#namespace'

/**
 * `x-amz-expiration` of an object: the rule that takes it first, and when. In days of 24 hours always: a shorter `lifecycle_day` is for
 * tests of what is carried out, and clients read dates.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html: the id is URL-encoded.
 */
export function lifecycleExpiration(document: LifecycleDocument | undefined, object: ObjectStat): string | undefined {
  const [first] = (document?.rules ?? [])
    .flatMap((rule) => {
      const atMs = expiresAtMs(rule, object, realDayMs)
      return atMs === undefined ? [] : [{ atMs, id: rule.id }]
    })
    .sort((a, b) => a.atMs - b.atMs)
  if (first === undefined) return undefined
  return `expiry-date="${new Date(first.atMs).toUTCString()}", rule-id="${encodeURIComponent(first.id)}"`
}
