/** A directory password traded for temporary keys, by a form as any HTTP client sends it. */
import { Agent, fetch } from 'undici'
import type { Instance } from '../instance.ts'
import type { Credentials } from '../sign.ts'

export type Assumed = {
  readonly status: number
  /** Of the error; '' where there is none. */
  readonly code: string
  /** Empty where there is an error. */
  readonly credentials: Credentials & { readonly sessionToken: string }
}

export async function assume(
  instance: Pick<Instance, 'endpoint' | 'authority'>,
  LDAPUsername: string,
  LDAPPassword: string,
  more: Readonly<Record<string, string>> = {},
): Promise<Assumed> {
  const form = { Action: 'AssumeRoleWithLDAPIdentity', Version: '2011-06-15', LDAPUsername, LDAPPassword, ...more }
  const dispatcher = new Agent({ connect: { ca: instance.authority } })
  try {
    const answer = await fetch(instance.endpoint, { method: 'POST', body: new URLSearchParams(form), dispatcher })
    const text = await answer.text()
    const element = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1] ?? ''
    return {
      status: answer.status,
      code: element('Code'),
      credentials: {
        accessKeyId: element('AccessKeyId'),
        secretAccessKey: element('SecretAccessKey'),
        sessionToken: element('SessionToken'),
      },
    }
  } finally {
    await dispatcher.close()
  }
}
