import { FileError, type FileType, type Scan, type Stat } from '../files.ts'
import { keyPath } from '../key-path.ts'
import type { ScanCalls } from '../scan-cache.ts'

/**
 * A tree of names in memory that can be scanned: what walk and scan-cache need of a file system, with faults and a clock that tests hold.
 * Paths are strings of Latin-1 characters standing for bytes, so that any name can be made.
 */
export type MemoryTree = {
  readonly calls: ScanCalls
  /** Makes what is missing above it. */
  add(path: string, type?: FileType): void
  remove(path: string): void
  /** Lays keys out as the gateway would: a file whose name a directory has steps aside. `asDirectory`: keys without bytes. */
  addKeys(keys: readonly string[], asDirectory: (key: string) => boolean): void
  readonly records: Set<string>
  /** path → errno thrown by every call on it. */
  readonly failures: Map<string, string>
  /** Paths scanned, in order; a partial scan has '…' behind its path. */
  readonly scanned: string[]
  readonly looked: string[]
  /** Called in the middle of each scan: after the directory's stat, before (true) and after (false) its names are read. */
  duringScan: ((path: string, before: boolean) => void | Promise<void>) | undefined
  /** What changes are stamped with. */
  nowNs: bigint
}

type Directory = { readonly inode: bigint; readonly entries: Map<string, Directory | FileType>; changedNs: bigint }

const utf8 = (text: string): string => Buffer.from(text).toString('latin1')

export function createMemoryTree(): MemoryTree {
  let inodes = 1n
  const newDirectory = (): Directory => ({ inode: ++inodes, entries: new Map(), changedNs: tree.nowNs })

  function directoryAt(path: string, syscall: string): Directory {
    let at: Directory = root
    const code = tree.failures.get(path)
    if (code !== undefined) throw new FileError(code, syscall, path)
    for (const name of path === '' ? [] : Buffer.from(path).toString('latin1').split('/')) {
      const entry = at.entries.get(name)
      if (entry === undefined) throw new FileError('ENOENT', syscall, path)
      if (typeof entry === 'string') throw new FileError(entry === 'symlink' ? 'ELOOP' : 'ENOTDIR', syscall, path)
      at = entry
    }
    return at
  }

  const tree: MemoryTree = {
    nowNs: 1_000_000_001n,
    records: new Set(),
    failures: new Map(),
    scanned: [],
    looked: [],
    duringScan: undefined,
    add(path, type = 'file') {
      let at = root
      const names = path.split('/')
      for (const [index, name] of names.entries()) {
        const entry = at.entries.get(name)
        const isLast = index === names.length - 1
        if (isLast && type !== 'directory') {
          if (entry !== undefined) throw new Error(`'${path}' is there already`)
          at.entries.set(name, type)
          at.changedNs = tree.nowNs
        } else if (typeof entry === 'object') {
          at = entry
        } else {
          if (entry !== undefined) throw new Error(`'${path}': a ${entry} stands in the way`)
          const made = newDirectory()
          at.entries.set(name, made)
          at.changedNs = tree.nowNs
          at = made
        }
      }
    },
    remove(path) {
      const slash = path.lastIndexOf('/')
      const parent = directoryAt(Buffer.from(path.slice(0, Math.max(0, slash)), 'latin1').toString(), 'unlink')
      parent.entries.delete(path.slice(slash + 1))
      parent.changedNs = tree.nowNs
    },
    addKeys(keys, asDirectory) {
      const directories = new Set<string>()
      const laid = keys.map((key) => ({ key, ...keyPath(key) }))
      const bare = (key: string, directory: string | undefined) =>
        directory !== undefined && asDirectory(key) ? directory : undefined
      for (const { key, path, directory } of laid) {
        const file = bare(key, directory) === undefined ? path : `${directory}/`
        for (let slash = file.indexOf('/'); slash >= 0; slash = file.indexOf('/', slash + 1)) {
          directories.add(file.slice(0, slash))
        }
      }
      for (const directory of directories) tree.add(utf8(directory), 'directory')
      for (const { key, path, alias, directory } of laid) {
        const empty = bare(key, directory)
        if (empty !== undefined) tree.records.add(empty)
        else tree.add(utf8(directories.has(path) ? alias : path))
      }
    },
    calls: {
      async find(path) {
        await Promise.resolve()
        tree.looked.push(path)
        try {
          return {
            stat: statOf(directoryAt(path, 'open')),
            attribute: undefined,
            body: undefined,
            descriptor: undefined,
          }
        } catch (error) {
          if (error instanceof FileError && ['ENOENT', 'ENOTDIR', 'ELOOP'].includes(error.code)) return undefined
          throw error
        }
      },
      async scan(path, atMost) {
        await Promise.resolve()
        tree.scanned.push(atMost === undefined ? path : `${path}…`)
        const directory = directoryAt(path, 'open')
        const stat = statOf(directory)
        await tree.duringScan?.(path, true)
        const entries = [...directory.entries].slice(0, atMost)
        await tree.duringScan?.(path, false)
        return scanOf(entries, stat)
      },
    },
  }
  const root = newDirectory()
  return tree
}

function scanOf(entries: readonly (readonly [string, Directory | FileType])[], stat: Stat): Scan {
  const rows = entries
    .map(([name, entry]) => {
      const type: FileType = typeof entry === 'object' ? 'directory' : entry
      return {
        name: Buffer.from(name, 'latin1'),
        type,
        bytes: Buffer.from(type === 'directory' ? `${name}/` : name, 'latin1'),
      }
    })
    .sort((left, right) => Buffer.compare(left.bytes, right.bytes))
  const row = (index: number) => {
    const found = rows[index]
    if (found === undefined) throw new RangeError(`no entry ${index}`)
    return found
  }
  return {
    count: rows.length,
    name: (index) => row(index).name,
    type: (index) => row(index).type,
    lowerBound: (bytes) => {
      let low = 0
      let high = rows.length
      while (low < high) {
        const middle = (low + high) >>> 1
        if (Buffer.compare(row(middle).bytes, bytes) < 0) low = middle + 1
        else high = middle
      }
      return low
    },
    stat,
    bytesHeld: rows.reduce((sum, { bytes }) => sum + bytes.length, 0),
  }
}

const statOf = ({ inode, changedNs }: Directory): Stat => ({
  type: 'directory',
  device: 1n,
  inode,
  sizeBytes: 0,
  mtimeNs: changedNs,
  ctimeNs: changedNs,
  mode: 0o40777,
  uid: 0,
  gid: 0,
  links: 2,
})
