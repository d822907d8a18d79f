import type { RootTrouble } from '#namespace'

export type Readiness = {
  /** Requests should come here. */
  readonly isReady: boolean
  /** For a person: what is wrong, or 'ready' and what is wrong all the same. */
  readonly sentences: readonly string[]
}

/**
 * Of the workers that serve, each with the roots that do not answer it. A namespace root that answers nobody is the end of all requests; buckets
 * on a further root are the only ones that miss it.
 */
export function readinessOf(workers: readonly (readonly RootTrouble[])[]): Readiness {
  if (workers.length === 0) return { isReady: false, sentences: ['no worker is ready'] }
  const isReady = workers.some((troubles) => !troubles.some(({ isMain }) => isMain))
  const sentences = [...new Set(workers.flat().map(sentenceOf))]
  return { isReady, sentences: isReady ? ['ready', ...sentences] : sentences }
}

function sentenceOf({ path, isMain, trouble }: RootTrouble): string {
  return isMain
    ? `the namespace root ${path} ${trouble}`
    : `the root ${path} ${trouble}: requests for buckets on it are answered 503`
}
