import type { VersioningDocument } from '../verbs.ts'
import { byBytes } from './list-model.ts'

type Status = VersioningDocument['status'] | undefined

/** `content` undefined: a delete marker. */
export type ModelVersion = { readonly id: string; readonly content: string | undefined }

/** What any history of puts and deletes on one bucket, versioned or not, must come to. Ids are the namespace's. */
export type VersionsModel = {
  status: Status
  put(key: string, content: string, id: string | undefined): void
  remove(key: string, id: string | undefined): void
  removeVersion(key: string, id: string): void
  /** Newest first. */
  of(key: string): readonly ModelVersion[]
  /** With versions, in byte order. */
  keys(): readonly string[]
}

export function createVersionsModel(): VersionsModel {
  const versions = new Map<string, readonly ModelVersion[]>()
  const of = (key: string): readonly ModelVersion[] => versions.get(key) ?? []
  const without = (key: string, id: string): readonly ModelVersion[] => of(key).filter((version) => version.id !== id)
  const add = (key: string, version: ModelVersion): void =>
    void versions.set(key, [version, ...without(key, version.id)])
  const model: VersionsModel = {
    status: undefined,
    of,
    put: (key, content, id = 'null') => add(key, { id, content }),
    remove(key, id = 'null') {
      if (model.status === undefined) versions.set(key, without(key, 'null'))
      else add(key, { id, content: undefined })
    },
    removeVersion: (key, id) => void versions.set(key, without(key, id)),
    keys: () => [...versions.keys()].filter((key) => of(key).length > 0).sort(byBytes),
  }
  return model
}
