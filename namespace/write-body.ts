import { NamespaceError } from './errors.ts'
import type { Descriptor, DigestName } from './files.ts'
import type { Place } from './place.ts'
import type { Body, Checksum, Received } from './verbs.ts'

export type Written = Received & { readonly eTag: string; readonly checksum: Checksum | undefined }

/**
 * Body → file at `offset`, hashed and written off the main thread, one job a chunk; then the body's own word on what was received
 * (digests, length). Memory is one chunk, whatever the size.
 */
export async function writeBody(place: Place, descriptor: Descriptor, body: Body, offset = 0): Promise<Written> {
  const hasher = place.root.files.createHasher([...new Set(['MD5' as const, ...body.digests])])
  let sizeBytes = 0
  for await (const chunk of body.bytes) {
    if (chunk.length === 0) continue
    // Before the write: a part that overflows must not run into its neighbour's place.
    if (body.sizeBytes !== undefined && sizeBytes + chunk.length > body.sizeBytes)
      throw new NamespaceError('IncompleteBody')
    await place.calls.write(descriptor, chunk, offset + sizeBytes, hasher)
    sizeBytes += chunk.length
  }
  if (body.sizeBytes !== undefined && sizeBytes !== body.sizeBytes) throw new NamespaceError('IncompleteBody')
  const received: Received = { sizeBytes, digests: hasher.digests() }
  return { ...received, checksum: body.verify(received), eTag: digestOf(received.digests, 'MD5').toString('hex') }
}

/** A digest that was asked for. */
export function digestOf(digests: Received['digests'], name: DigestName): Buffer {
  const digest = digests[name]
  if (digest === undefined) throw new Error(`the hasher gave no ${name}`)
  return digest
}
