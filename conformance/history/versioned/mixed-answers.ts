/** Answers whose bytes, length, ETag, checksum, metadata and retention are not those of the one version that they name. */
import type { Problem } from './sightings.ts'
import type { EventOf, VersionedEvent } from './versioned-event.ts'
import type { Versions } from './versions.ts'

export function mixedAnswers(events: readonly VersionedEvent[], versions: Versions): readonly Problem[] {
  const sizes = new Map(
    events.flatMap((event) => ('body' in event ? [[event.body.content, event.body.sizeBytes] as const] : [])),
  )
  return events.flatMap((event) => {
    const sentence = wrongIn(event, versions, sizes)
    return sentence === undefined ? [] : [{ kind: 'mixed answer', event: event.event, sentence }]
  })
}

function wrongIn(event: VersionedEvent, versions: Versions, sizes: ReadonlyMap<string, number>): string | undefined {
  if (event.kind === 'get' || event.kind === 'head') return wrongLook(event, versions, sizes)
  if (event.kind === 'copy') return wrongCopy(event, versions)
  if (event.kind !== 'put' && event.kind !== 'complete') return undefined
  const { answered, body } = event
  return answered !== undefined && answered !== body.eTag
    ? `answered with the ETag ${answered}, not ${body.eTag}`
    : undefined
}

function wrongLook(
  { versionId, seen }: EventOf<'get' | 'head'>,
  { byId }: Versions,
  sizes: ReadonlyMap<string, number>,
): string | undefined {
  if (seen === undefined) return undefined
  if (versionId !== undefined && seen.versionId !== versionId) return `asked for ${versionId}, told ${seen.versionId}`
  const version = byId.get(seen.versionId)
  if (version?.isMarker === true) return `bytes of the delete marker ${seen.versionId}`
  const { made, body } = version ?? {}
  const content = body?.content
  const facts: readonly (readonly [string, unknown, unknown])[] = [
    ['ETag', seen.eTag, body?.eTag ?? seen.eTag],
    ['MD5', seen.content, seen.content === undefined ? undefined : (content ?? seen.content)],
    ['bytes', seen.sizeBytes, content === undefined ? seen.sizeBytes : sizes.get(content)],
    ['metadata', seen.meta, made?.meta ?? seen.meta],
    ['Cache-Control', seen.cacheControl, seen.meta],
    ['end of retention', seen.untilMs, made === undefined ? seen.untilMs : made.retention?.untilMs],
    ['checksum fits', seen.checksumFits ?? true, true],
  ]
  const wrong = facts.find(([, is, wanted]) => is !== wanted)
  return wrong && `version ${seen.versionId} with ${wrong[0]} ${wrong[1]}, not ${wrong[2]}`
}

function wrongCopy({ answered, copied, source }: EventOf<'copy'>, { byId }: Versions): string | undefined {
  if (answered === undefined || copied === undefined) return undefined
  if (source.versionId !== undefined && copied !== source.versionId) return `copied ${copied}, not ${source.versionId}`
  const content = byId.get(copied)?.body?.content
  return content !== undefined && content !== answered
    ? `copied ${answered} out of ${copied}, which is ${content}`
    : undefined
}
