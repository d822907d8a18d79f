import { pruningOnFailure } from './directories.ts'
import { keyPath } from './key-path.ts'
import type { Place } from './place.ts'
import { publish } from './publish.ts'
import { withTemporary } from './temporary.ts'
import type { Body, Description, Precondition, Put } from './verbs.ts'
import { writeBody } from './write-body.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html */
export function putObject(
  place: Place,
  key: string,
  description: Description,
  body: Body,
  precondition: Precondition | undefined,
): Promise<Put> {
  return pruningOnFailure(place, key, () =>
    withTemporary(place, key, keyPath(key).path, async (temporary) => {
      const { eTag, checksum } = await writeBody(place, temporary.descriptor, body)
      const content = { ...description, eTag, ...(checksum && { checksum }) }
      return publish(place, { key, temporary, content, precondition })
    }),
  )
}
