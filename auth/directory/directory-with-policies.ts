import type { LiveGroupPolicies } from '../policy/live-group-policies.ts'
import type { Directory } from './directory.ts'

/** Who asks comes with the policies of their groups. In front of any cache, so that a change of a policy waits for none. */
export function directoryWithPolicies(directory: Directory, policies: LiveGroupPolicies): Directory {
  return {
    ...directory,
    findByAccessKey: (accessKeyId) =>
      whenThere(
        directory.findByAccessKey(accessKeyId),
        (found) => found && { ...found, identity: policies.withPolicies(found.identity) },
      ),
    findByUserId: (userId) =>
      whenThere(directory.findByUserId(userId), (identity) => identity && policies.withPolicies(identity)),
    async close() {
      policies.close()
      await directory.close()
    },
  }
}

/** What is known at once stays so. */
function whenThere<Found, Result>(
  found: Found | Promise<Found>,
  use: (found: Found) => Result,
): Result | Promise<Result> {
  return found instanceof Promise ? found.then(use) : use(found)
}
