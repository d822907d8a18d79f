import { Command } from 'commander'
import { type Decision, type Directory, decide, type Identity, s3Actions, type User } from '#auth'
import { type Namespace, readMountInfo, usesAuthSys } from '#namespace'
import { readBucketAccess } from '../bucket-access.ts'
import type { S3Config } from '../config.ts'
import { decideAccess } from '../decide-access.ts'
import { CommandError } from './command-error.ts'
import { identityLines } from './identity-lines.ts'
import { type Operator, withOperator } from './operator.ts'
import { type PlaceOptions, withPlace } from './place.ts'

type ExplainOptions = PlaceOptions & {
  readonly as?: string
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
  .description('may they, and why: prints who asks, and the line of the policy or the ACL that decides')
  .argument('<action>', 'such as s3:GetObject')
  .argument('[resource]', 'BUCKET or BUCKET/KEY; without it, the service itself')
  .option('--as <user>', 'who asks; without it, an anonymous caller')
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
      const user = options.as === undefined ? undefined : await readUser(operator, options.as)
      const from = { namespace: operator.namespace.as, directory: operator.directory, s3: operator.config.s3 }
      const { allow, reason } = await explain(from, user, { action, resource, ...options })
      const lines = identityLines(user, { authSysMounts: await findAuthSysMounts(operator) })
      console.log(lines.join('\n'))
      console.log(`${allow ? 'allowed' : 'denied'}: ${reason}`)
      if (!allow) process.exitCode = 1
    })
  })

type Question = Pick<ExplainOptions, 'versionId' | 'condition'> & {
  readonly action: string
  readonly resource: string | undefined
}

type From = {
  readonly namespace: (caller: Identity | undefined) => Namespace
  readonly directory: Pick<Directory, 'findByUid'>
  readonly s3: Pick<S3Config, 'accountPublicAccessBlock'>
}

/** As authorize.ts decides. */
export async function explain(from: From, user: User | undefined, question: Question): Promise<Decision> {
  const { action, resource, versionId, condition } = question
  const identity = user && { ...user, accessKeyId: '' }
  if (resource === undefined) return decide({ identity, action, resource: {}, conditions: condition })
  const slash = resource.indexOf('/')
  const bucket = slash === -1 ? resource : resource.slice(0, slash)
  const key = slash === -1 ? '' : resource.slice(slash + 1)
  if (action === 's3:CreateBucket') return decide({ identity, action, resource: { bucket }, conditions: condition })
  const namespace = from.namespace(identity)
  const access = await readBucketAccess(namespace, bucket, from.s3)
  const { directory } = from
  const about = { bucket, key, versionId }
  return decideAccess({ identity, namespace, directory, access, action, resource: about, context: condition })
}

async function readUser({ directory }: Operator, name: string): Promise<User> {
  const user = await directory.users.findByName(name)
  if (user === undefined) throw new CommandError(`There is no user ${name}; check the spelling.`)
  return directory.withPolicies(user)
}

async function findAuthSysMounts({ config }: Operator): Promise<readonly string[]> {
  const { root, roots } = config.namespace
  const mounts = await Promise.all([root, ...roots].map(readMountInfo))
  const cutting = mounts.filter((mount) => mount !== undefined && usesAuthSys(mount))
  return [...new Set(cutting.map((mount) => mount?.mountPoint ?? ''))]
}
