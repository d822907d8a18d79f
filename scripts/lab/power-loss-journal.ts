/**
 * What the power-loss test writes down: one JSON value a line, in the order in which things happened. Each line is with the host before the
 * next thing is done: a request is announced before it is sent, and its answer is noted before anything follows from it.
 */
import { appendFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'

/** An object as a write makes it, or as it is found. `absent`: there is none. */
export type Version = {
  /** x-amz-meta-id, unique among all writes. */
  readonly id: string
  readonly sizeBytes: number
  readonly md5: string
  readonly eTag: string
  readonly crc32: string
  /** MD5 of the user metadata, sorted. */
  readonly metadata: string
  readonly contentType: string
}

export const absent = 'absent'

/** What a key was found to hold after a boot. `unreadable`: no answer, or one that is neither 200 nor 404. */
export type Seen = typeof absent | Version | { readonly unreadable: string }

export type Part = { readonly partNumber: number; readonly sizeBytes: number; readonly eTag: string }

/** What a version has beside its object. A marker has none of it. */
export type Belongings = {
  /** Value of the tag `w`. */
  readonly tag: string
  readonly isHeld: boolean
  /** End of retention; '' without. */
  readonly until: string
}

/** One of the versioned bucket, as it was listed and read by its id. */
export type SeenVersion = {
  readonly key: string
  readonly versionId: string
  readonly isMarker: boolean
  readonly isLatest: boolean
  /** `absent` of a marker. */
  readonly seen: Seen
  readonly belongings?: Belongings
}

export type Operation = { readonly id: string } & (
  | { readonly does: 'write'; readonly how: string; readonly key: string; readonly version: Version | typeof absent }
  /** CompleteMultipartUpload: a write, and the end of an upload. */
  | { readonly does: 'complete'; readonly key: string; readonly uploadId: string; readonly version: Version }
  /** The same Complete once more, whose answer the cut has swallowed. */
  | { readonly does: 'repeat'; readonly of: string }
  /** `version` and `parts`: what is going to be put there, so that somebody else can finish it. */
  | { readonly does: 'begin'; readonly key: string; readonly version: Version; readonly parts: readonly Part[] }
  | { readonly does: 'part'; readonly uploadId: string; readonly part: Part }
  | { readonly does: 'abort'; readonly key: string; readonly uploadId: string }
  /** A version in the versioned bucket; `absent`: a delete marker. Its id is in the answer. */
  | {
      readonly does: 'version'
      readonly how: string
      readonly key: string
      readonly version: Version | typeof absent
      readonly belongings: Belongings
    }
  | { readonly does: 'remove version'; readonly key: string; readonly versionId: string }
  | { readonly does: 'tag version'; readonly key: string; readonly versionId: string; readonly tag: string }
  | { readonly does: 'hold version'; readonly key: string; readonly versionId: string; readonly isHeld: boolean }
)

export type Event =
  | { readonly at: 'about'; readonly operation: Operation }
  /** `done`: it took effect. Otherwise it was refused, and did not; an operation without an answer, or with a 5xx, may have. */
  | {
      readonly at: 'answered'
      readonly id: string
      readonly done: boolean
      readonly uploadId?: string
      readonly versionId?: string
    }
  | { readonly at: 'unanswered'; readonly id: string; readonly why: string }
  /** The host's line: from here on nothing that was under way can take effect any more. */
  | { readonly at: 'cut'; readonly afterMs: number }
  /** What the kernel says of the disk's file system after a boot. */
  | { readonly at: 'mounted'; readonly replayed: boolean; readonly complaints: readonly string[] }
  /** Nothing else is under way while somebody looks. */
  | { readonly at: 'look'; readonly key: string; readonly seen: Seen }
  /** All versions of the versioned bucket, as listed: of a key the newest first, versions and markers each. */
  | { readonly at: 'versions'; readonly versions: readonly SeenVersion[] }
  | { readonly at: 'listed'; readonly keys: readonly string[] }
  | {
      readonly at: 'uploads'
      readonly uploads: readonly { readonly key: string; readonly uploadId: string; readonly parts: readonly Part[] }[]
    }
  /** Lines of `causeway check`, everything left behind having been made old. */
  | { readonly at: 'checked'; readonly lines: readonly string[] }
  /** What is still there once those who clear away have been. */
  | { readonly at: 'left'; readonly paths: readonly string[] }
  | { readonly at: 'loading' }
  | { readonly at: 'error'; readonly message: string }

export type Journal = {
  write(event: Event): void
}

/** Opened and closed for each line: a guest's page cache holds back what was written to a directory of the host until then. */
export const journalAt = (path: string): Journal => ({
  write: (event) => appendFileSync(path, `${JSON.stringify(event)}\n`),
})

/** None where there is no file. A line that the cut has broken off was not yet followed by anything. */
export async function readJournal(path: string): Promise<Event[]> {
  const text = await readFile(path, 'utf8').catch(() => '')
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  return whole.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
}
