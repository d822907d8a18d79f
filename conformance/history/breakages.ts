import type { Edit } from './broken-build.ts'

export type Breakage = {
  readonly name: string
  readonly edit: Edit
  /** Why no run on a local tree can show it, and what can. */
  readonly elsewhere?: string
}

/** What the history test must notice, one at a time; that without `elsewhere` on a local tree. */
export const breakages: readonly Breakage[] = [
  {
    name: 'no shared lock for plain writers',
    edit: {
      file: 'namespace/publish.ts',
      find: 'const done = await place.locks.hold(key, mode,',
      // A lock, of nothing.
      replace: "const done = await place.locks.hold(mode === 'shared' ? key + Math.random() : key, mode,",
    },
  },
  {
    name: 'no exclusive lock for conditional writers',
    edit: {
      file: 'namespace/publish.ts',
      find: "precondition === undefined && !key.endsWith('/') ? 'shared' : 'exclusive'",
      replace: "!key.endsWith('/') ? 'shared' : 'exclusive'",
    },
  },
  {
    name: 'no exclusive lock for conditional deletes',
    edit: {
      file: 'namespace/remove-object.ts',
      find: "precondition === undefined && directory === undefined ? 'shared' : 'exclusive'",
      replace: "directory === undefined ? 'shared' : 'exclusive'",
    },
  },
  {
    name: 'a copy onto itself without one lock around it',
    edit: {
      file: 'namespace/copy-object.ts',
      find: 'const isItself = source.place.bucket.id === target.place.bucket.id && source.key === target.key',
      replace: "const isItself = target.key === ''",
    },
  },
  {
    name: 'header from another file: the record read by path',
    edit: {
      file: 'namespace/find-object.ts',
      find: 'const record = await place.records.read(found)',
      replace:
        'const again = await find(place.calls, full, nothing)\n    const record = await place.records.read({ ...found, attribute: again?.attribute })',
    },
  },
  {
    name: 'header from another file: size and time too, as an open by path would give them',
    edit: {
      file: 'namespace/find-object.ts',
      find: 'const record = await place.records.read(found)',
      replace:
        'const again = (await find(place.calls, full, nothing)) ?? found\n    Object.assign(found, { stat: again.stat, attribute: again.attribute })\n    const record = await place.records.read(found)',
    },
  },
  {
    name: 'mtime not set by the publisher, though the record has one',
    edit: {
      file: 'namespace/publish.ts',
      find: 'mtimeNs: BigInt(record.mtimeNs),\n    flushFile',
      replace: 'mtimeNs: stat.mtimeNs,\n    flushFile',
    },
  },
  {
    name: 'a look-up that forgets the alias',
    edit: {
      file: 'namespace/find-object.ts',
      find: "(await findFile(place, key, alias, 'aside', want)) ??",
      replace: "(alias === '' ? await findFile(place, key, alias, 'aside', want) : undefined) ??",
    },
  },
  {
    name: 'mtime not set by the publisher, the record has the time of the last write',
    edit: {
      file: 'namespace/publish.ts',
      find: '...(await publicationTimes(place.calls, temporary.descriptor, { nowMs, granularityNs })),',
      replace: 'mtimeNs: stat.mtimeNs.toString(),',
    },
    elsewhere:
      'Linux since 6.13 gives a file that somebody has looked at a time of its own; with an older one a rewrite in the same tick would show it, which the lab has not met in 20,000 operations.',
  },
  {
    name: 'publish without flush',
    edit: {
      file: 'namespace/publish.ts',
      find: 'flushFile: place.options.flush,\n    flushDirectory: place.options.flush,',
      replace: 'flushFile: false,\n    flushDirectory: false,',
    },
    elsewhere: 'Only a loss of power shows it.',
  },
  {
    name: 'no fencing',
    edit: {
      file: 'namespace/namespace.ts',
      find: 'locksExpire = !files.isLocal',
      replace: 'locksExpire = false && !files.isLocal',
    },
    elsewhere:
      'A lock on a local tree is never lost. In the lab one is, when its machine is cut off: caught within 1,048 operations and 3 cuts by clients that look first (scripts/lab/README.md has the command); fence.test.ts stops at every call.',
  },
]
