import type { Identity } from '../identity.ts'

export type SecretAndIdentity = { readonly secret: string; readonly identity: Identity }

/** Who knows the password, and what the directory calls them (User.id). The identity's accessKeyId is ''. */
export type NamedUser = { readonly userId: string; readonly identity: Identity }

/** Where users come from. Every provider and every cache around one has this shape; nothing here knows how they store. */
export type Directory = {
  /**
   * undefined for an access key that is unknown, disabled, damaged, or whose user is gone: callers cannot and need not tell them
   * apart. What changes in the directory holds within 2 seconds. At once where it is known: every request asks.
   */
  findByAccessKey(accessKeyId: string): SecretAndIdentity | undefined | Promise<SecretAndIdentity | undefined>
  /**
   * Whose temporary credentials these are, asked with every request; the identity's accessKeyId is ''. undefined for a user who is disabled or gone.
   * As late, and as quick, as `findByAccessKey`.
   */
  findByUserId(userId: string): Identity | undefined | Promise<Identity | undefined>
  /** undefined for an unknown user or a wrong password, in about the same time; an empty one is always wrong. */
  authenticate(name: string, password: string): Promise<NamedUser | 'throttled' | undefined>
  /**
   * Who a grant names, without an access key: the identity's accessKeyId is ''. Disabled users are found, so that an ACL that names one can
   * still be read and written back; a grant gives nothing to who cannot sign.
   */
  findByCanonicalId(canonicalId: string): Promise<Identity | undefined>
  /** As above; in any case of letters. undefined also where two users have the address: a grant must name one of them (P-204). */
  findByEmail(address: string): Promise<Identity | undefined>
  /**
   * Whose the files of a uid are; disabled users are found. undefined: nobody's. At once where it is known: an answer may need it for many files.
   * Rejects where the directory does not answer and does not know from before.
   */
  findByUid(uid: number): Identity | undefined | Promise<Identity | undefined>
  close(): Promise<void>
}

/** Something an administrator should know, e.g. a damaged key file. Told once for each state of the thing. */
export type Problem = { readonly what: string; readonly path: string; readonly cause?: unknown }
export type ReportProblem = (problem: Problem) => void
