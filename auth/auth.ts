/**
 * The door of auth/. Everything that gateway/ may use of it is exported here, and nothing here knows HTTP or files of the namespace.
 */
export { type AclOwner, cannedAcl } from './acl/canned-acl.ts'
export {
  ALL_USERS,
  AUTHENTICATED_USERS,
  aclAllows,
  type Grant,
  isPublicAcl,
  LOG_DELIVERY,
  type Permission,
} from './acl/grant.ts'
export { type S3Action, s3Actions } from './actions.ts'
export { authSysGroups } from './auth-sys-groups.ts'
export { type AuthenticatedForm, type AuthenticateFormOptions, authenticateForm } from './authenticate-form.ts'
export { type Authenticated, type AuthenticateOptions, authenticateRequest } from './authenticate-request.ts'
export { type Decision, decide, type ObjectOwnership, type PublicAccessBlock, type Question } from './decide.ts'
export type { ActiveDirectoryEvent } from './directory/active-directory/active-directory-users.ts'
export { probeDomain } from './directory/active-directory/probe-domain.ts'
export type { Directory, NamedUser, Problem, ReportProblem, SecretAndIdentity } from './directory/directory.ts'
export { createLocalUser, type NewLocalUser, openLocalUsers } from './directory/local-users.ts'
export { type OpenDirectory, openDirectory, type Provider } from './directory/open-directory.ts'
export type { PosixIdOptions } from './directory/posix-id.ts'
export type { User } from './directory/users.ts'
export { type AuthCode, AuthError, type AuthErrorDetail } from './errors.ts'
export type { Identity } from './identity.ts'
export { announceKeyReader, type KeyReader, requireSealingKey } from './keys/key-readers.ts'
export { type AccessKey, type KeyStore, type NewAccessKey, openKeyStore, worksAt } from './keys/key-store.ts'
export { findLastUse, KEY_USE_EVERY_MS, type KeyUse, recordKeyUse } from './keys/key-use.ts'
export { type LiveMasterKey, openMasterKey } from './keys/live-master-key.ts'
export {
  createMasterKey,
  ensureMasterKey,
  type KeyPurpose,
  type MasterKey,
  readMasterKey,
  type Subkey,
} from './keys/master-key.ts'
export { type LineNeeds, readLineNeeds, rekeyMasterKey, retireMasterKeys } from './keys/rekey.ts'
export { type SealedTokens, sealedTokens } from './keys/sealed-token.ts'
export { openSessions, SESSION_POLICY_MAX_CHARACTERS, type SessionCredentials, type Sessions } from './keys/sessions.ts'
export { groupOwner, isOwner } from './owner-ids.ts'
export { type ConditionContext, principalArn } from './policy/context.ts'
export { groupPolicyStore } from './policy/group-policies.ts'
export { isPublicPolicy } from './policy/is-public-policy.ts'
export { parseIdentityPolicy } from './policy/parse-identity-policy.ts'
export { parsePolicy } from './policy/parse-policy.ts'
export type { Policy } from './policy/policy.ts'
export type { ChunkSignatures, Payload, ReceivedRequest } from './request.ts'
export type { FormFields, SizeRange } from './sigv4/post-policy.ts'
