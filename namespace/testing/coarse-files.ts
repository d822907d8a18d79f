/**
 * Files as a file system with coarse times has them: each time cut to whole steps of `stepNs`, on the way in and on the way out. `behindNs`: they are
 * those of a server, whose clock is that much behind.
 */
import type { FileCalls, Files, Scan, Stat } from '../files.ts'
import { openPosixFiles } from '../posix-files.ts'

export const coarseFiles =
  (stepNs: bigint, behindNs?: bigint) =>
  (path: string, options: { readonly threads: number }): Files => {
    const files = openPosixFiles(path, options)
    const isLocal = behindNs === undefined && files.isLocal
    return { ...files, isLocal, as: (identity) => coarseCalls(files.as(identity), stepNs, behindNs) }
  }

function coarseCalls(calls: FileCalls, stepNs: bigint, behindNs = 0n): FileCalls {
  const cut = (timeNs: bigint): bigint => timeNs - (timeNs % stepNs)
  const seen = (stat: Stat): Stat => ({ ...stat, mtimeNs: cut(stat.mtimeNs), ctimeNs: cut(stat.ctimeNs - behindNs) })
  const withStat = <Value extends { readonly stat: Stat }>(value: Value): Value => ({
    ...value,
    stat: seen(value.stat),
  })
  return {
    ...calls,
    async find(path, want) {
      const found = await calls.find(path, want)
      return found && withStat(found)
    },
    stat: async (descriptor) => seen(await calls.stat(descriptor)),
    async statPath(path) {
      const stat = await calls.statPath(path)
      return stat && seen(stat)
    },
    setModified: (descriptor, mtimeNs) => calls.setModified(descriptor, cut(mtimeNs)),
    publish: async (descriptor, temporary, target, steps) =>
      seen(await calls.publish(descriptor, temporary, target, { ...steps, mtimeNs: cut(steps.mtimeNs) })),
    async statMany(directory, names, attribute) {
      const rows = await calls.statMany(directory, names, attribute)
      return rows.map((row) => row && withStat(row))
    },
    async scan(path, atMost): Promise<Scan> {
      const scan = await calls.scan(path, atMost)
      return {
        count: scan.count,
        name: (index) => scan.name(index),
        type: (index) => scan.type(index),
        lowerBound: (bytes) => scan.lowerBound(bytes),
        stat: seen(scan.stat),
        bytesHeld: scan.bytesHeld,
      }
    },
  }
}
