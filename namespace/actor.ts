import { NamespaceError } from './errors.ts'
import type { PosixIdentity } from './files.ts'
import type { Kernel } from './place.ts'
import type { Caller } from './verbs.ts'

/** Who does something in a bucket. `posix` counts where the file system decides too; without it that is nobody (acting-calls.ts). */
export type Actor = { readonly caller: Caller | undefined; readonly posix: PosixIdentity | undefined }

/** The gateway itself. */
export const nobody: Actor = { caller: undefined, posix: undefined }

/** Who asks, to the file system as well. `caller` undefined: a request without an access key. */
export const actorOf = (kernel: Kernel | undefined, caller: Caller | undefined): Actor => ({
  caller,
  posix: caller === undefined ? kernel?.anonymous : caller.posix,
})

/** Throws AccessDenied. Without an identity nothing may be done in a user's tree, least of all as the service. */
export function requireIdentity(kernel: Kernel | undefined, { caller, posix }: Actor): void {
  if (kernel === undefined) return
  const name = caller?.displayName ?? 'this caller'
  if (posix === undefined)
    throw new NamespaceError('AccessDenied', {
      message: `The directory gives ${name} no uid, and the file system decides here what users may do.`,
    })
  // Whose are `.s3` and `.causeway`.
  if (posix.uid === process.geteuid?.())
    throw new NamespaceError('AccessDenied', {
      message: `The directory gives ${name} the uid of the gateway's own account, which nobody else may have.`,
    })
}
