/** Somebody of the directory, whatever they ask with. What policies are asked about. */
export type Person = {
  /** 64 hex digits, stable for the life of the user. */
  readonly canonicalId: string
  readonly displayName: string
  /** The directory's name of the user. */
  readonly userName: string
  readonly email?: string | undefined
  /** Names of the directory groups. */
  readonly groups: readonly string[]
  /** In a Windows domain: of the user, and of all groups, those without a name here included. */
  readonly sid?: string | undefined
  readonly groupSids?: readonly string[] | undefined
  readonly posix?: { readonly uid: number; readonly gid: number; readonly groups: readonly number[] } | undefined
}
