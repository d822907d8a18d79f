/**
 * The controllers of a domain as one: the first of the configuration that is in order answers. One that fails is left alone for a moment and
 * then tried beside the requests, never by one: none of them waits for a controller that is known to be away.
 */
import type { SearchOptions } from 'ldapts'
import { type LdapConnection, LdapUnreachable, type SearchAnswer } from './ldap-connection.ts'

export type Controller = { readonly url: string; readonly connection: LdapConnection }

export type ControllerEvent =
  | { readonly kind: 'controller failed'; readonly url: string; readonly cause: LdapUnreachable }
  | { readonly kind: 'controller answers again'; readonly url: string }

export type Controllers = {
  /** Rejects with LdapUnreachable where no controller answers, at once where that is known. Else as LdapConnection.search. */
  search(baseDn: string, options: SearchOptions): Promise<SearchAnswer>
  checkPassword(dn: string, password: string): Promise<boolean>
  /** Tries those that failed some time ago; to be called every second or so. Resolves when all have answered or not. */
  revive(): Promise<void>
  close(): Promise<void>
}

/** The first failure costs a second, further ones double it. */
const AWAY_MS = { first: 1000, longest: 4000 } as const

type Tracked = Controller & {
  /** In a row. */
  failures: number
  awayUntilMs: number
  cause: LdapUnreachable | undefined
  reviving: boolean
}

/** @param now milliseconds of a clock that never goes back */
export function controllersOf(
  controllers: readonly Controller[],
  { events, now = () => performance.now() }: { events?: (event: ControllerEvent) => void; now?: () => number } = {},
): Controllers {
  const tracked = controllers.map(
    (controller): Tracked => ({ ...controller, failures: 0, awayUntilMs: 0, cause: undefined, reviving: false }),
  )

  async function first<Result>(work: (connection: LdapConnection) => Promise<Result>): Promise<Result> {
    for (const controller of tracked) {
      if (controller.cause !== undefined) continue
      try {
        return await work(controller.connection)
      } catch (error) {
        if (!(error instanceof LdapUnreachable)) throw error
        failed(controller, error)
      }
    }
    const [controller] = tracked
    throw controller?.cause ?? new Error('a domain without controllers')
  }

  function failed(controller: Tracked, cause: LdapUnreachable): void {
    // Many requests fail with one connection; it is one failure.
    if (controller.cause !== undefined && !controller.reviving) return
    const isNew = controller.cause === undefined
    const awayMs = Math.min(AWAY_MS.first * 2 ** controller.failures, AWAY_MS.longest)
    controller.failures += 1
    controller.awayUntilMs = now() + awayMs
    controller.cause = cause
    if (isNew) events?.({ kind: 'controller failed', url: controller.url, cause })
  }

  async function revive(controller: Tracked): Promise<void> {
    if (controller.cause === undefined || controller.reviving || now() < controller.awayUntilMs) return
    controller.reviving = true
    try {
      await controller.connection.search('', { scope: 'base', attributes: ['dsServiceName'] })
      Object.assign(controller, { failures: 0, cause: undefined })
      events?.({ kind: 'controller answers again', url: controller.url })
    } catch (error) {
      failed(controller, error instanceof LdapUnreachable ? error : new LdapUnreachable(controller.url, error))
    } finally {
      controller.reviving = false
    }
  }

  return {
    search: (baseDn, options) => first((connection) => connection.search(baseDn, options)),
    checkPassword: (dn, password) => first((connection) => connection.checkPassword(dn, password)),
    async revive() {
      await Promise.all(tracked.map(revive))
    },
    async close() {
      await Promise.all(controllers.map(({ connection }) => connection.close()))
    },
  }
}
