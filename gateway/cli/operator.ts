/** What a command works with: the namespace as the service account, the users and the keys, opened from the configuration. */
import { existsSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { ensureMasterKey, type OpenDirectory, openDirectory, requireSealingKey } from '#auth'
import { type OpenNamespace, openNamespace } from '#namespace'
import type { Config } from '../config.ts'
import { identityProvider } from '../identity-provider.ts'
import { mayBeLinked } from '../may-be-linked.ts'
import { recordKeysOf } from '../record-keys.ts'
import { CommandError, isErrno } from './command-error.ts'
import { expected } from './expected.ts'
import { type Place, type PlaceOptions, readPlace } from './place.ts'

export type Operator = {
  readonly config: Config
  readonly namespace: OpenNamespace
  readonly directory: OpenDirectory
  readonly keysDirectory: string
  readonly policiesDirectory: string
  close(): Promise<void>
}

/** One person at a terminal does not need more. */
const THREADS = 4

/**
 * Makes the master key of a new tree. Throws CommandError or NamespaceError with one sentence where the tree is another gateway's:
 * no master key, a wrong one, or one that was copied here before the last rekey.
 */
export async function openOperator({ config }: Place): Promise<Operator> {
  const { root, roots, durability, directoriesMax } = config.namespace
  const { masterKeyFile } = config.identity
  if (!existsSync(root)) {
    throw new CommandError(`${root} does not exist; start Causeway once with \`serve\`, or correct namespace.root.`)
  }
  if (!existsSync(masterKeyFile) && existsSync(join(root, '.causeway/format'))) {
    throw new CommandError(
      `The master key ${masterKeyFile} is missing, and ${root} was written with one; restore the file from its backup.`,
    )
  }
  const masterKey = await expected(() => ensureMasterKey(masterKeyFile))
  const namespace = await beneath(root, () =>
    openNamespace({
      root,
      roots,
      durability,
      directoriesMax,
      ...recordKeysOf(masterKey),
      threads: THREADS,
      mayBeLinked: mayBeLinked(config),
      problems: ({ kind, bucket, path, message }) =>
        complain([kind, bucket, path, message].filter((part) => part !== undefined).join(' ')),
    }),
  )
  const keysDirectory = join(root, '.causeway/keys')
  const policiesDirectory = join(root, '.causeway/policies')
  const directory = await expected(async () => {
    await requireSealingKey(keysDirectory, masterKey)
    return openDirectory({
      provider: identityProvider(config),
      keysDirectory,
      policiesDirectory,
      masterKey,
      problems: ({ what, path, cause }) =>
        complain(`${path}: ${what}${cause instanceof Error ? ` (${cause.message})` : ''}`),
      // What a command then says is that the directory does not answer; this is why.
      events: (event) => {
        if (event.kind === 'controller failed' || event.kind === 'failed') complain(messageOf(event.cause))
      },
    })
  }).catch(async (error: unknown) => {
    await namespace.close()
    throw error
  })
  return {
    config,
    namespace,
    directory,
    keysDirectory,
    policiesDirectory,
    async close() {
      await directory.close()
      await namespace.close()
    },
  }
}

/** Opens, works, closes. */
export async function withOperator(
  options: PlaceOptions,
  work: (operator: Operator) => Promise<unknown>,
): Promise<void> {
  const operator = await openOperator(readPlace(options))
  try {
    await work(operator)
  } finally {
    await operator.close()
  }
}

/** Paths in errors of the namespace count from its root. */
async function beneath<Result>(root: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (!isErrno(error) || error.path === undefined || isAbsolute(error.path)) throw error
    throw Object.assign(new Error(error.message, { cause: error }), { code: error.code, path: join(root, error.path) })
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

function complain(sentence: string): void {
  process.stderr.write(`causeway: ${sentence}\n`)
}
