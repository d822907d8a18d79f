import type { FastClient } from '../../fast-client.ts'
import { connectTo, type Endpoint } from '../endpoint.ts'

export type VersionedBucket = {
  /** false where a mount is too open for object lock. */
  readonly hasLock: boolean
}

/** The bucket must not be there yet: the history begins with nothing in it. Throws when it is, or cannot be made. */
export async function createVersionedBucket(endpoint: Endpoint, bucket: string): Promise<VersionedBucket> {
  const client = connectTo(endpoint, 1, 30_000)
  try {
    const { status } = await client.send({ method: 'HEAD', target: `/${bucket}` })
    if (status !== 404) throw new Error(`bucket ${bucket} is there already (${status}); name a new one`)
    return await makeVersionedBucket(client, bucket)
  } finally {
    await client.close()
  }
}

/** Throws when it cannot be made. */
export async function makeVersionedBucket(client: FastClient, bucket: string): Promise<VersionedBucket> {
  const headers = { 'x-amz-bucket-object-lock-enabled': 'true' }
  const locked = await client.send({ method: 'PUT', target: `/${bucket}`, headers })
  if (locked.status === 200) return { hasLock: true }
  const made = await client.send({ method: 'PUT', target: `/${bucket}` })
  const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
  const enabled = await client.send({ method: 'PUT', target: `/${bucket}?versioning`, body })
  if (made.status !== 200 || enabled.status !== 200)
    throw new Error(`bucket ${bucket} was not made: ${locked.text} ${made.text} ${enabled.text}`)
  return { hasLock: false }
}
