/**
 * Policies of groups: documents `<name>.json` as they were given, and `.attachments.json`, which says whose they are. No name of a policy
 * begins with a dot. Whoever changes anything holds `.lock`, so that two administrators at once lose nothing.
 */
import { chown, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'
import { AuthError } from '../errors.ts'
import type { Group } from '../group.ts'
import { flushDirectory, isErrno, writeDurably } from '../keys/durable-file.ts'
import { exclusively } from '../keys/exclusively.ts'
import { parseIdentityPolicy } from './parse-identity-policy.ts'

/** As IAM names managed policies, and no leading dot. https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html */
const POLICY_NAME = /^(?!\.)[\w+=,.@-]{1,128}$/

const Attachment = Type.Object(
  {
    policy: Type.String({ pattern: POLICY_NAME.source }),
    group: Type.String({ minLength: 1 }),
    sid: Type.Optional(Type.String({ minLength: 1 })),
  },
  { additionalProperties: false },
)
const Attachments = Type.Object({ v: Type.Literal(1), attachments: Type.Array(Attachment) })

/** `group` is its name when it was attached; where there is a `sid`, that is the group. */
export type Attachment = Static<typeof Attachment>

export type GroupPolicyStore = {
  /** Makes or replaces. Rejects with InvalidArgument for the name, MalformedPolicy for the text, and stores neither. */
  put(name: string, text: string): Promise<void>
  /** false: there is no such policy. */
  attach(name: string, group: Group): Promise<boolean>
  /** By the name it was attached with, or the SID. false: it was not attached. */
  detach(name: string, group: string): Promise<boolean>
  list(): Promise<readonly { readonly name: string; readonly attachments: readonly Attachment[] }[]>
  /** 'attached': not removed. */
  remove(name: string): Promise<'removed' | 'attached' | 'unknown'>
}

/** @param directory absolute; made with the first change */
export function groupPolicyStore(directory: string): GroupPolicyStore {
  const attachmentsFile = join(directory, ATTACHMENTS_FILE)
  const read = async () => parseAttachments(await readText(attachmentsFile))
  const write = (attachments: readonly Attachment[]) =>
    writeDurably(attachmentsFile, `${JSON.stringify({ v: 1, attachments }, undefined, 2)}\n`, 'replace')
  const exists = async (name: string) => (await readText(policyFile(directory, name))) !== undefined
  async function alone<Result>(work: () => Promise<Result>): Promise<Result> {
    await makeDirectory(directory)
    return exclusively(join(directory, '.lock'), work)
  }

  return {
    async put(name, text) {
      const path = policyFile(directory, name)
      parseIdentityPolicy(text)
      await alone(() => writeDurably(path, text, 'replace'))
    },
    attach: (name, group) =>
      alone(async () => {
        if (!(await exists(name))) return false
        const attachments = await read()
        if (attachments.some((one) => one.policy === name && isSameGroup(one, group))) return true
        await write([...attachments, { policy: name, group: group.name, ...(group.sid && { sid: group.sid }) }])
        return true
      }),
    detach: (name, group) =>
      alone(async () => {
        const attachments = await read()
        const left = attachments.filter((one) => one.policy !== name || (one.sid !== group && one.group !== group))
        if (left.length === attachments.length) return false
        await write(left)
        return true
      }),
    async list() {
      const [names, attachments] = [await namesIn(directory), await read()]
      return names.map((name) => ({ name, attachments: attachments.filter(({ policy }) => policy === name) }))
    },
    remove: (name) =>
      alone(async () => {
        if (!(await exists(name))) return 'unknown'
        if ((await read()).some(({ policy }) => policy === name)) return 'attached'
        await rm(policyFile(directory, name))
        await flushDirectory(directory)
        return 'removed'
      }),
  }
}

export const ATTACHMENTS_FILE = '.attachments.json'

/** Throws InvalidArgument where it is no name of a policy. */
export function policyFile(directory: string, name: string): string {
  if (POLICY_NAME.test(name)) return join(directory, `${name}.json`)
  throw new AuthError('InvalidArgument', {
    message: `${JSON.stringify(name)} is no name of a policy; use up to 128 letters, digits and +=,.@_- without a dot in front.`,
  })
}

/** Throws where the text is damaged. undefined: no file, nothing is attached. */
export function parseAttachments(text: string | undefined): readonly Attachment[] {
  if (text === undefined) return []
  const value = jsonOf(text)
  if (Value.Check(Attachments, value)) return value.attachments
  throw new Error(`${ATTACHMENTS_FILE} of the policies is damaged; restore it from a backup.`)
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** undefined: there is no such file. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

function isSameGroup(one: Attachment, { name, sid }: Group): boolean {
  return sid === undefined ? one.sid === undefined && one.group === name : one.sid === sid
}

/** Root at a command line makes it for the service, as durable-file.ts does with files. */
async function makeDirectory(directory: string): Promise<void> {
  if ((await mkdir(directory, { recursive: true, mode: 0o700 })) === undefined || process.getuid?.() !== 0) return
  const { uid, gid } = await stat(dirname(directory))
  await chown(directory, uid, gid)
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    const files = (await readdir(directory)).filter((file) => file.endsWith('.json') && !file.startsWith('.'))
    return files.map((file) => file.slice(0, -'.json'.length)).sort()
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return []
    throw error
  }
}
