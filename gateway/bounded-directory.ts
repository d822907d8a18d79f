import type { Directory } from '#auth'
import { GatewayError } from './gateway-error.ts'

/**
 * A directory that is waited for in bounded time. Access keys lie on the namespace root and are read by threads that all mounts share: while
 * that root is away nothing is asked, or those threads would be gone too. Throws SlowDown.
 */
export function boundedDirectory(
  directory: Directory,
  { timeoutMs, isAway }: { readonly timeoutMs: number; readonly isAway: () => boolean },
): Directory {
  const inTime = async <Answer>(answer: Promise<Answer>): Promise<Answer> => {
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => late.reject(noAnswer()), timeoutMs)
    try {
      return await Promise.race([answer, late.promise])
    } finally {
      clearTimeout(timer)
    }
  }
  const bounded = async <Answer>(ask: () => Promise<Answer>): Promise<Answer> => {
    if (isAway()) throw noAnswer()
    return inTime(ask())
  }
  /** What is known is answered at once: every request asks. */
  const atOnce = <Answer>(ask: () => Answer | Promise<Answer>): Answer | Promise<Answer> => {
    if (isAway()) return Promise.reject(noAnswer())
    const answer = ask()
    return answer instanceof Promise ? inTime(answer) : answer
  }
  return {
    findByAccessKey: (accessKeyId) => atOnce(() => directory.findByAccessKey(accessKeyId)),
    findByUserId: (userId) => atOnce(() => directory.findByUserId(userId)),
    authenticate: (name, password) => bounded(() => directory.authenticate(name, password)),
    findByCanonicalId: (canonicalId) => bounded(() => directory.findByCanonicalId(canonicalId)),
    findByEmail: (address) => bounded(() => directory.findByEmail(address)),
    findByUid: (uid) => atOnce(() => directory.findByUid(uid)),
    close: () => directory.close(),
  }
}

const noAnswer = (): GatewayError =>
  new GatewayError('SlowDown', { message: 'Access keys cannot be read. Please try again.' })
