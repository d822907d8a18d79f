/**
 * The namespace's verbs and the values they take and give. Types only: what a reader of an operation needs to know.
 * A Namespace is bound to its caller (`open(…).as(caller)`), so no verb takes an identity.
 */
import type { Readable } from 'node:stream'
import type { Descriptor, DigestName, PosixIdentity } from './files.ts'

export type Owner = { readonly canonicalId: string; readonly displayName: string }

/** Who calls. `posix` is used where enforcement is `kernel`. */
export type Caller = Owner & { readonly posix?: PosixIdentity | undefined }

export type Bucket = {
  readonly name: string
  /** Never changes, also when another bucket later takes the name. */
  readonly id: string
  readonly owner: Owner
  readonly created: Date
  /** Absolute path of a directory mapped in place; undefined for a directory of our own. */
  readonly mappedPath: string | undefined
}

/** x-amz-checksum-*: `value` is base64, with `-N` behind it when composite. */
export type ChecksumAlgorithm = Exclude<DigestName, 'MD5'>
export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE'
export type Checksum = { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType; readonly value: string }

/** Header name in lower case → value exactly as the client sent it (Latin-1 decoded bytes). */
export type ContentHeaders = Readonly<
  Partial<
    Record<
      | 'cache-control'
      | 'content-disposition'
      | 'content-encoding'
      | 'content-language'
      | 'content-type'
      | 'expires'
      | 'x-amz-website-redirect-location'
      | 'x-amz-storage-class',
      string
    >
  >
>

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html. Kept for who decides; nothing here reads it. */
export type Grant = {
  readonly grantee:
    | { readonly kind: 'user'; readonly canonicalId: string; readonly displayName?: string | undefined }
    | { readonly kind: 'group'; readonly uri: string }
  readonly permission: 'FULL_CONTROL' | 'READ' | 'WRITE' | 'READ_ACP' | 'WRITE_ACP'
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html. `until` as Date.toISOString writes it. */
export type Retention = { readonly mode: 'GOVERNANCE' | 'COMPLIANCE'; readonly until: string }

/** What of an object can be changed without another version of it. */
export type Amendable = {
  /** Tags in the order given. */
  readonly tags?: readonly { readonly key: string; readonly value: string }[] | undefined
  /** undefined: its owner may do everything, nobody else anything. */
  readonly acl?: readonly Grant[] | undefined
  readonly retention?: Retention | undefined
  readonly legalHold?: boolean | undefined
}

/** What a client says about an object beyond its bytes. Metadata names in lower case without `x-amz-meta-`. */
export type Description = Amendable & {
  readonly headers: ContentHeaders
  readonly metadata: Readonly<Record<string, string>>
  /** Whose it shall be. Absent: the caller's, or the bucket's owner's where the caller is anonymous. */
  readonly owner?: Owner
}

/** The document `versioning` of a bucket; none where it never was versioned. */
export type VersioningDocument = { readonly status: 'Enabled' | 'Suspended' }

/** The document `object-lock` of a bucket; none where it was made without. `rule`: of objects that come without one of their own. */
export type ObjectLockDocument = {
  readonly rule?: { readonly mode: Retention['mode']; readonly days?: number; readonly years?: number } | undefined
}

export type PartStat = {
  readonly partNumber: number
  readonly sizeBytes: number
  readonly eTag: string
  readonly lastModified: Date
  /** base64 */
  readonly checksum: string | undefined
}

export type ObjectStat = Description & {
  readonly bucket: string
  readonly key: string
  readonly sizeBytes: number
  /** Without quotes. */
  readonly eTag: string
  readonly lastModified: Date
  /** undefined in a bucket that never was versioned. */
  readonly versionId: string | undefined
  readonly checksum: Checksum | undefined
  /** Sizes of the parts of a multipart object in order; undefined for others. `checksum` base64. */
  readonly parts:
    | readonly { readonly partNumber: number; readonly sizeBytes: number; readonly checksum?: string }[]
    | undefined
  readonly owner: Owner
  /** A file that no S3 client wrote, or that was rewritten over NFS since. */
  readonly foreign: boolean
}

export type ObjectTarget = { readonly bucket: string; readonly key: string; readonly versionId?: string | undefined }

/**
 * Called with the current object, under the key's exclusive lock, before anything is published or removed; throws what the client
 * shall get (412 …). That it is there is what makes a writer exclusive. `isHidden`: there is no current object, but a delete marker.
 */
export type Precondition = (current: ObjectStat | undefined, isHidden?: boolean) => void

/** What was received, told to `verify` after the last byte and before anything is visible. Digests are raw bytes. */
export type Received = {
  readonly sizeBytes: number
  readonly digests: Readonly<Partial<Record<DigestName, Buffer>>>
}

export type Body = {
  /** The decoded bytes; each chunk is valid until the next one is asked for. A throw in here abandons the write; nothing is left behind. */
  readonly bytes: AsyncIterable<Uint8Array>
  /** When it is known beforehand. More or fewer bytes → IncompleteBody. */
  readonly sizeBytes: number | undefined
  /** Digests to compute beside MD5. */
  readonly digests: readonly DigestName[]
  /** Throws to refuse what was received (BadDigest …); answers the checksum to keep. */
  readonly verify: (received: Received) => Checksum | undefined
}

export type Put = { readonly stat: ObjectStat }

export type Removed = {
  /** false: there was nothing, and nothing was made. */
  readonly changed: boolean
  /** Of what was removed where a version was named, else of the delete marker that was made; undefined in a bucket that never was versioned. */
  readonly versionId: string | undefined
  /** A delete marker was made, or what was removed was one. */
  readonly deleteMarker: boolean
}

/** One open file and what S3 knows of it: headers and bytes always belong together. */
export type OpenObject = {
  readonly stat: ObjectStat
  /** The whole content of a small object, which came with the look-up; then there is no descriptor to send from. */
  readonly small: Buffer | undefined
  /** A stream of `lengthBytes` from `offset`; fails when the file ends early. */
  read(offset: number, lengthBytes: number): Readable
  /**
   * sendfile(2) into a connected socket; resolves with the bytes sent. `socketDescriptor` is asked for before each burst and answers
   * undefined when the peer has gone.
   */
  send(socketDescriptor: () => Descriptor | undefined, offset: number, lengthBytes: number): Promise<number>
  close(): Promise<void>
}

export type ListQuery = {
  readonly bucket: string
  readonly prefix: string
  readonly delimiter: string
  /** Entries greater than this; a common prefix given here is skipped whole. '' = from the start. */
  readonly after: string
  /** 0 … 1000 */
  readonly max: number
}

/** In byte order of key or prefix. */
export type ListEntry = { readonly object: ObjectStat } | { readonly prefix: string }
export type ListPage = {
  readonly entries: readonly ListEntry[]
  readonly truncated: boolean
  /** `after` of the next page, where truncated. */
  readonly next: string | undefined
}

export type VersionQuery = {
  readonly bucket: string
  readonly prefix: string
  readonly delimiter: string
  /** Entries behind this key or common prefix; '' = from the start. */
  readonly keyMarker: string
  /** Of `keyMarker`, the versions behind this one come too; undefined: none of them does. */
  readonly versionIdMarker: string | undefined
  /** 0 … 1000 */
  readonly max: number
}

/** Version id 'null' for what was written while the bucket was not versioned. */
export type Version = {
  readonly key: string
  readonly versionId: string
  readonly isLatest: boolean
  /** undefined: a delete marker. */
  readonly object: ObjectStat | undefined
  readonly owner: Owner
  readonly lastModified: Date
}

/** In byte order of key or prefix, and the newest version of a key first. */
export type VersionPage = {
  readonly entries: readonly (Version | { readonly prefix: string })[]
  readonly truncated: boolean
  /** Markers of the next page, where truncated; a common prefix has no version. */
  readonly next: { readonly keyMarker: string; readonly versionIdMarker: string | undefined } | undefined
}

export type UploadStat = Description & {
  readonly uploadId: string
  readonly key: string
  readonly initiated: Date
  /** Whose the object will be. */
  readonly owner: Owner
  /** Who began the upload. */
  readonly initiator: Owner
  readonly checksum: { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType } | undefined
  /** The key had an object when the upload began: were it gone at the end, that is a conflict (P-210). */
  readonly objectExisted: boolean
}

export type UploadTarget = { readonly bucket: string; readonly key: string; readonly uploadId: string }

export type CompletePart = {
  readonly partNumber: number
  /** Without quotes. */
  readonly eTag: string
  readonly checksums: Readonly<Partial<Record<ChecksumAlgorithm, string>>>
}

export type Namespace = {
  readonly buckets: {
    /**
     * Creates a directory of our own, with these documents from its first moment on, by name. Throws BucketAlreadyOwnedByYou,
     * BucketAlreadyExists, InvalidBucketName.
     */
    create(name: string, documents?: Readonly<Record<string, unknown>>): Promise<Bucket>
    /** Throws NoSuchBucket. */
    read(name: string): Promise<Bucket>
    find(name: string): Promise<Bucket | undefined>
    /** Throws NoSuchBucket, BucketNotEmpty. */
    remove(name: string): Promise<void>
    /** All buckets, sorted by name. */
    list(): Promise<readonly Bucket[]>
    /** Takes an existing directory as a bucket, in place, with these documents from the start. Throws when it overlaps another one. */
    map(name: string, directory: string, owner: Owner, documents?: Readonly<Record<string, unknown>>): Promise<Bucket>
    unmap(name: string): Promise<void>
  }
  readonly objects: {
    put(
      target: ObjectTarget,
      description: Description,
      body: Body,
      options: { readonly precondition?: Precondition | undefined },
    ): Promise<Put>
    /**
     * Throws NoSuchKey, with the headers of a delete marker where one is the latest; of a `versionId` NoSuchVersion, InvalidArgument (no id of ours),
     * MethodNotAllowed (a delete marker); AccessDenied for a file user's file that may be somebody else's (linked-file.ts). The caller closes it.
     */
    open(target: ObjectTarget): Promise<OpenObject>
    /** Throws as open does. */
    stat(target: ObjectTarget): Promise<ObjectStat>
    /**
     * In a versioned bucket it makes a delete marker, or removes the `versionId` for good: then object lock protects it, AccessDenied
     * (`bypassGovernance`: the caller may, and wants to, remove what is under GOVERNANCE).
     */
    remove(
      target: ObjectTarget,
      options: { readonly precondition?: Precondition | undefined; readonly bypassGovernance?: boolean | undefined },
    ): Promise<Removed>
    /**
     * Tags, ACL, retention and hold of an object that is there, anew, by what `change` answers of it as it is; all else stays, Last-Modified and ETag
     * too, and no version is made (P-175). `change` throws to refuse. Throws as open does.
     */
    amend(target: ObjectTarget, change: (stat: ObjectStat) => Amendable): Promise<ObjectStat>
    copy(
      source: ObjectTarget,
      target: ObjectTarget,
      options: {
        /** Called with the source as opened: throws for failed copy preconditions, answers what the copy shall say of itself. */
        readonly describe: (source: ObjectStat) => Description
        /** Recompute this checksum instead of carrying the source's over. */
        readonly checksum?: ChecksumAlgorithm | undefined
        readonly precondition?: Precondition | undefined
      },
    ): Promise<Put>
    list(query: ListQuery): Promise<ListPage>
    /** Throws InvalidArgument for a marker that is no version id. */
    listVersions(query: VersionQuery): Promise<VersionPage>
  }
  readonly uploads: {
    begin(
      target: ObjectTarget,
      description: Description,
      checksum: { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType } | undefined,
    ): Promise<UploadStat>
    /** Throws NoSuchUpload, also when the key is not the upload's. */
    stat(target: UploadTarget): Promise<UploadStat>
    putPart(target: UploadTarget, partNumber: number, body: Body): Promise<PartStat>
    /** `range` in bytes, inclusive; undefined = the whole. */
    copyPart(
      source: ObjectTarget,
      target: UploadTarget,
      partNumber: number,
      options: {
        /** Called with the source as opened: throws for failed copy preconditions, answers the range. */
        readonly select: (source: ObjectStat) => { readonly offset: number; readonly lengthBytes: number }
      },
    ): Promise<PartStat>
    /** Repeated after success it answers the same. Throws InvalidPart, InvalidPartOrder, EntityTooSmall, BadDigest, InvalidRequest. */
    complete(
      target: UploadTarget,
      parts: readonly CompletePart[],
      options: {
        readonly precondition?: Precondition | undefined
        /** x-amz-mp-object-size */
        readonly sizeBytes?: number | undefined
        /** The whole object's checksum as the client has it. */
        readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly value: string } | undefined
        readonly checksumType?: ChecksumType | undefined
        /** Of an upload that began without one. */
        readonly defaultRetention?: Retention | undefined
      },
    ): Promise<Put>
    abort(target: UploadTarget): Promise<void>
    /** In order of part number, greater than `after`. */
    listParts(
      target: UploadTarget,
      page: { readonly after: number; readonly max: number },
    ): Promise<{ readonly parts: readonly PartStat[]; readonly truncated: boolean }>
    /** All pending uploads of a bucket with the prefix, by key, then initiation. */
    list(bucket: string, prefix: string): Promise<readonly UploadStat[]>
  }
  /** Configuration of a bucket by name: 'policy', 'cors' … JSON values. */
  readonly documents: {
    find(bucket: string, name: string): Promise<unknown>
    /** All of a bucket, as one look saw them: what answers by name, and throws what `find` would. */
    read(bucket: string): Promise<(name: string) => unknown>
    write(bucket: string, name: string, value: unknown): Promise<void>
    remove(bucket: string, name: string): Promise<void>
  }
}
