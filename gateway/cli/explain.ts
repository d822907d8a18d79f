import { readFile } from 'node:fs/promises'
import { Command, Option } from 'commander'
import {
  type Decision,
  type Directory,
  decide,
  type Policy,
  parseIdentityPolicy,
  SESSION_POLICY_MAX_CHARACTERS,
  s3Actions,
  type User,
} from '#auth'
import {
  type Caller,
  isLinkedFile,
  type Namespace,
  NamespaceError,
  type ObjectTarget,
  readMountInfo,
  usesAuthSys,
} from '#namespace'
import { readBucketAccess } from '../bucket-access.ts'
import type { S3Config } from '../config.ts'
import { ABOUT_AN_OBJECT, decideAccess } from '../decide-access.ts'
import { fileNeedOf } from '../file-rights.ts'
import type { AskedOfFiles } from '../mode-lines.ts'
import { findAsker } from './asker.ts'
import { CommandError } from './command-error.ts'
import { type Explained, explanation } from './explanation.ts'
import { type Operator, withOperator } from './operator.ts'
import { type PlaceOptions, withPlace } from './place.ts'

type ExplainOptions = PlaceOptions & {
  readonly as?: string
  readonly accessKey?: string
  readonly sessionPolicy?: string
  readonly versionId?: string
  readonly condition: ReadonlyMap<string, readonly string[]>
}

/** `aws:SourceIp=192.0.2.7`; again for another value of the same key. */
function addCondition(text: string, before: ReadonlyMap<string, readonly string[]>): ExplainOptions['condition'] {
  const equals = text.indexOf('=')
  if (equals < 1) throw new CommandError(`'${text}' is no condition; give KEY=VALUE, such as aws:SourceIp=192.0.2.7.`)
  const key = text.slice(0, equals).toLowerCase()
  return new Map([...before, [key, [...(before.get(key) ?? []), text.slice(equals + 1)]]])
}

export const explainCommand = withPlace(new Command('explain'))
  .description(
    'may they, and why: prints who asks, the line of the policy or the ACL that decides, and the mode bits of the files',
  )
  .argument('<action>', 'such as s3:GetObject')
  .argument('[resource]', 'BUCKET or BUCKET/KEY; without it, the service itself')
  .option('--as <user>', 'who asks; without it, an anonymous caller')
  .addOption(new Option('--access-key <id>', 'who asks: whoever has this key').conflicts('as'))
  .option('--session-policy <file>', 'with temporary keys that this policy narrows')
  .option('--version-id <id>', 'about this version of the object')
  .option(
    '--condition <key=value>',
    'of the request, for conditions of a policy; may be given again',
    addCondition,
    new Map(),
  )
  .action(async (action: string, resource: string | undefined, options: ExplainOptions) => {
    if (!s3Actions.some((known) => known === action))
      throw new CommandError(`There is no action ${action}; actions are spelled as in policies, such as s3:GetObject.`)
    await withOperator(options, async (operator) => {
      const { lines, allow } = await explainAs(operator, { action, resource, ...options })
      console.log(lines.join('\n'))
      if (!allow) process.exitCode = 1
    })
  })

type Question = Pick<ExplainOptions, 'versionId' | 'condition'> & {
  readonly action: string
  readonly resource: string | undefined
}

async function explainAs(
  operator: Operator,
  question: Question & ExplainOptions,
): Promise<ReturnType<typeof explanation>> {
  const asker = await findAsker(operator, question, new Date())
  const { user } = asker
  const from = { namespace: operator.namespace.as, directory: operator.directory, s3: operator.config.s3 }
  const sessionPolicy = await findSessionPolicy(question)
  const decision = await orMissing(() => explain(from, user && { ...user, sessionPolicy }, question))
  const files =
    'missing' in decision && question.versionId !== undefined ? undefined : await findFiles(operator, user, question)
  return explanation({ asker, decision, files, authSysMounts: await findAuthSysMounts(operator) })
}

type From = {
  readonly namespace: (caller: Caller | undefined) => Namespace
  readonly directory: Pick<Directory, 'findByUid'>
  readonly s3: Pick<S3Config, 'accountPublicAccessBlock'>
}

/** As authorize.ts decides. */
export async function explain(from: From, user: User | undefined, question: Question): Promise<Decision> {
  const { action, resource, versionId, condition } = question
  const identity = user && { ...user, accessKeyId: '' }
  if (resource === undefined) return decide({ identity, action, resource: {}, conditions: condition })
  const { bucket, key } = targetOf(resource)
  if (action === 's3:CreateBucket') return decide({ identity, action, resource: { bucket }, conditions: condition })
  // As the service: an operator may not be able to act as the user, and what the files say is told beside it.
  const namespace = from.namespace(identity && { canonicalId: identity.canonicalId, displayName: identity.displayName })
  const access = await readBucketAccess(namespace, bucket, from.s3)
  const { directory } = from
  const about = { bucket, key, versionId }
  const decision = await decideAccess({
    identity,
    namespace,
    directory,
    access,
    action,
    resource: about,
    context: condition,
  })
  if (decision.allow && ABOUT_AN_OBJECT.has(action)) await requireNotLinked(namespace, about)
  return decision
}

/** A linked file is refused to whoever may read it, which its bucket's owner may without a look at it. Throws what that says. */
async function requireNotLinked(namespace: Namespace, about: ObjectTarget): Promise<void> {
  await namespace.objects.stat(about).catch((error: unknown) => {
    if (error instanceof NamespaceError && isLinkedFile(error)) throw error
  })
}

/** Throws CommandError, and MalformedPolicy. */
async function findSessionPolicy({ sessionPolicy: file, as, accessKey }: ExplainOptions): Promise<Policy | undefined> {
  if (file === undefined) return undefined
  if (as === undefined && accessKey === undefined)
    throw new CommandError('A session policy narrows what a user may; say whom with --as.')
  const text = await readFile(file, 'utf8')
  if (text.length > SESSION_POLICY_MAX_CHARACTERS) {
    throw new CommandError(
      `A session policy has at most ${SESSION_POLICY_MAX_CHARACTERS} characters; ${file} has more.`,
    )
  }
  return parseIdentityPolicy(text)
}

/** What S3 says of an object that is not there. */
const MISSING: ReadonlySet<string> = new Set(['MethodNotAllowed', 'NoSuchKey', 'NoSuchVersion'])

async function orMissing(decided: () => Promise<Decision>): Promise<Explained['decision']> {
  try {
    return await decided()
  } catch (error) {
    if (!(error instanceof NamespaceError)) throw error
    if (MISSING.has(error.code)) return { missing: error.code }
    if (isLinkedFile(error)) return { allow: false, reason: error.message }
    // The gateway's own account may not look at the file, and neither could anybody through it.
    if (error.code !== 'AccessDenied' || !(error.cause instanceof Error)) throw error
    return { allow: false, reason: `the file system refuses this account (${error.cause.message})` }
  }
}

async function findFiles(
  { namespace, config }: Operator,
  user: User | undefined,
  { action, resource = '', versionId }: Question,
): Promise<AskedOfFiles | undefined> {
  const { bucket, key } = targetOf(resource)
  const need = fileNeedOf(action, key)
  if (need === undefined || bucket === '') return undefined
  const { enforcement, anonymousUid: uid, anonymousGid: gid } = config.identity
  const path = await namespace.path(need === 'makeBucket' ? undefined : { bucket, key, versionId })
  const anonymous = enforcement === 'kernel' ? { uid, gid, groups: [] } : undefined
  return { who: user === undefined ? anonymous : user.posix, path, need, enforcement }
}

function targetOf(resource: string): { readonly bucket: string; readonly key: string } {
  const slash = resource.indexOf('/')
  return slash === -1
    ? { bucket: resource, key: '' }
    : { bucket: resource.slice(0, slash), key: resource.slice(slash + 1) }
}

async function findAuthSysMounts({ config }: Operator): Promise<readonly string[]> {
  const { root, roots } = config.namespace
  const mounts = await Promise.all([root, ...roots].map(readMountInfo))
  const cutting = mounts.filter((mount) => mount !== undefined && usesAuthSys(mount))
  return [...new Set(cutting.map((mount) => mount?.mountPoint ?? ''))]
}
