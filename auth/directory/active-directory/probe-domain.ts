import { type ActiveDirectoryUsersOptions, openActiveDirectoryUsers } from './active-directory-users.ts'
import { type CredentialFiles, readCredentials } from './credentials.ts'

export type DomainTroubles = {
  /** undefined: the account was found and could be read. */
  readonly failure: string | undefined
  /** Controllers that do not answer. */
  readonly controllers: readonly string[]
}

/** Every domain has it, and what the bind account may read of it, it may read of others. */
const ACCOUNT_OF_EVERY_DOMAIN = 'krbtgt'

/** Asks the domain for an account as a request would, for `doctor`. Rejects with a sentence where a file is missing or broken. */
export async function probeDomain(
  provider: CredentialFiles & Omit<ActiveDirectoryUsersOptions, 'readCredentials' | 'events'>,
): Promise<DomainTroubles> {
  await readCredentials(provider)
  const controllers: string[] = []
  let failure: string | undefined
  for (const url of provider.servers) {
    const users = openActiveDirectoryUsers({
      ...provider,
      servers: [url],
      readCredentials: () => readCredentials(provider),
      events: (event) => {
        if (event.kind === 'controller failed') controllers.push(event.cause.message)
        if (event.kind === 'failed')
          failure ??= event.cause instanceof Error ? event.cause.message : String(event.cause)
      },
    })
    try {
      const found = await users.findByName(ACCOUNT_OF_EVERY_DOMAIN)
      if (found === undefined) failure ??= `${url} knows no ${ACCOUNT_OF_EVERY_DOMAIN} below ${provider.baseDn}`
    } catch {
      // Told by the events.
    } finally {
      await users.close()
    }
  }
  if (controllers.length === provider.servers.length) failure ??= 'no domain controller answers'
  return { failure, controllers }
}
