/** The whole chain from the key to the verdict, as lines for a person. Pure; explain.ts finds out what comes in. */
import type { Decision } from '#auth'
import { type AskedOfFiles, findModeRefusal, modeLines } from '../mode-lines.ts'
import type { Asker } from './asker.ts'
import { identityLines } from './identity-lines.ts'

export type Explained = {
  readonly asker: Asker
  /** `missing`: S3's code, for an object that is not there and who may know it. */
  readonly decision: Decision | { readonly missing: string }
  /** undefined: no file of users is asked. */
  readonly files: AskedOfFiles | undefined
  /** Mount points where groups are cut (usesAuthSys). */
  readonly authSysMounts: readonly string[]
}

/** `allow` is what the last line says. The first link of the chain that refuses is its reason. */
export function explanation(explained: Explained): { readonly allow: boolean; readonly lines: readonly string[] } {
  const { asker, decision, files, authSysMounts } = explained
  const { word, reason } = verdictOf(explained)
  const rights = 'reason' in decision ? [`rights: ${decision.reason}`] : []
  const isNobody = asker.user === undefined && asker.whyRefused !== undefined
  const who = isNobody
    ? ['user: none']
    : [...identityLines(asker.user, { authSysMounts }), ...rights, ...(files === undefined ? [] : modeLines(files))]
  return { allow: word === 'allowed', lines: [...asker.lines, ...who, `${word}: ${reason}`] }
}

function verdictOf({ asker, decision, files }: Explained): { readonly word: string; readonly reason: string } {
  if (asker.whyRefused !== undefined) return { word: 'denied', reason: asker.whyRefused }
  if ('missing' in decision) return { word: 'not there', reason: `S3 answers ${decision.missing}` }
  const refusal = decision.allow ? whyFilesRefuse(asker, files) : undefined
  if (refusal !== undefined) return { word: 'denied', reason: refusal }
  return { word: decision.allow ? 'allowed' : 'denied', reason: decision.reason }
}

function whyFilesRefuse({ user }: Asker, files: AskedOfFiles | undefined): string | undefined {
  if (files?.enforcement !== 'kernel') return undefined
  if (user !== undefined && files.who === undefined) {
    return `${user.userName} has no uid, which enforcement kernel needs`
  }
  const refusal = findModeRefusal(files)
  return refusal && `${refusal.path} (${refusal.mode}): ${refusal.text}`
}
