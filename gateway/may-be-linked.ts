import type { Config } from './config.ts'

/**
 * Of a uid: are its file users' files read although they have other names (hard links)? With enforcement "kernel" the file system says who may read
 * them. An option of openNamespace, for whoever opens the tree as the service.
 */
export function mayBeLinked({ identity, namespace }: Pick<Config, 'identity' | 'namespace'>): (uid: number) => boolean {
  const listed = new Set(namespace.linkedFileUids)
  return (uid) => identity.enforcement === 'kernel' || listed.has(uid)
}
