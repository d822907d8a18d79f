/** The policies of groups as a running gateway has them: in memory, looked at once a second. */

import { join } from 'node:path'
import type { ReportProblem } from '../directory/directory.ts'
import type { Identity } from '../identity.ts'
import { ATTACHMENTS_FILE, type Attachment, parseAttachments, policyFile, readText } from './group-policies.ts'
import { parseIdentityPolicy } from './parse-identity-policy.ts'
import type { GroupPolicy, Policy } from './policy.ts'

type Member = Pick<Identity, 'groups' | 'sid' | 'groupSids' | 'groupPolicies'>

export type LiveGroupPolicies = {
  /** With the policies of the groups; who has none is answered as given. */
  withPolicies<Who extends Member>(who: Who): Who
  close(): void
}

export type LiveGroupPoliciesOptions = {
  /** Of the documents, absolute. One that is not there has none. */
  readonly directory: string
  readonly problems?: ReportProblem | undefined
  readonly checkEveryMs?: number | undefined
}

/**
 * What is damaged, or cannot be read at the moment, stays as it was: neither does a slip of an editor lift a Deny. It is told once. Where there is no
 * state of before, since it is so from the start, what it denies is not known: then the groups it is attached to are denied everything, and where it is not
 * known what is attached, whoever is in a group.
 * Texts are read rather than times looked at: opening a file is what makes an NFS client ask its server.
 */
export async function openGroupPolicies(options: LiveGroupPoliciesOptions): Promise<LiveGroupPolicies> {
  const { directory, problems, checkEveryMs = 1000 } = options
  let byGroup: ReadonlyMap<string, readonly GroupPolicy[]> = new Map()
  let parsed = new Map<string, { readonly text: string; readonly policy: Policy }>()
  let attachedText: string | undefined
  let attachments: readonly Attachment[] | undefined
  let isUnreadable = false
  let checking = false

  function policyOf(path: string, text: string): Policy {
    const known = parsed.get(path)
    if (known?.text === text) return known.policy
    try {
      return parseIdentityPolicy(text)
    } catch (cause) {
      const state = known === undefined ? 'its groups are denied everything' : 'the last good one stays in force'
      problems?.({ what: `a policy of a group is damaged; ${state}`, path, cause })
      return known?.policy ?? denyAll
    }
  }

  function attachmentsOf(path: string, text: string | undefined): readonly Attachment[] | undefined {
    try {
      return parseAttachments(text)
    } catch (cause) {
      const state =
        attachments === undefined ? 'whoever is in a group is denied everything' : 'the last good state stays in force'
      problems?.({ what: `what is attached to groups is damaged; ${state}`, path, cause })
      return attachments
    }
  }

  async function read(): Promise<void> {
    const path = join(directory, ATTACHMENTS_FILE)
    const text = await readText(path)
    if (text !== attachedText || attachedText === undefined) attachments = attachmentsOf(path, text)
    attachedText = text
    const read: typeof parsed = new Map()
    const found = new Map<string, GroupPolicy[]>()
    for (const { policy: name, group, sid } of attachments ?? []) {
      const file = policyFile(directory, name)
      const document = read.get(file)?.text ?? (await readText(file)) ?? ''
      const policy = read.get(file)?.policy ?? policyOf(file, document)
      read.set(file, { text: document, policy })
      const group_ = sid === undefined ? nameKey(group) : sidKey(sid)
      found.set(group_, [...(found.get(group_) ?? []), { name, group, policy }])
    }
    parsed = read
    byGroup = found
  }

  async function check(): Promise<void> {
    if (checking) return
    checking = true
    try {
      await read()
      isUnreadable = false
    } catch (cause) {
      if (!isUnreadable) problems?.({ what: 'the policies of groups cannot be read', path: directory, cause })
      isUnreadable = true
    } finally {
      checking = false
    }
  }

  await check()
  const timer = setInterval(check, checkEveryMs).unref()
  return {
    withPolicies(who) {
      if (attachments === undefined) return groupsOf(who).length === 0 ? who : { ...who, groupPolicies: [unknown] }
      if (byGroup.size === 0) return who
      const groupPolicies = groupsOf(who).flatMap((group) => byGroup.get(group) ?? [])
      return groupPolicies.length === 0 ? who : { ...who, groupPolicies }
    },
    close: () => clearInterval(timer),
  }
}

const denyAll: Policy = parseIdentityPolicy(
  '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}',
)
const unknown: GroupPolicy = { name: ATTACHMENTS_FILE, group: 'every group', policy: denyAll }

const nameKey = (name: string) => `name ${name}`
const sidKey = (sid: string) => `sid ${sid}`

/** In a domain a group is its SID: one that is made again with a name has another. */
function groupsOf({ groups, sid, groupSids = [] }: Member): readonly string[] {
  return sid === undefined ? groups.map(nameKey) : groupSids.map(sidKey)
}
