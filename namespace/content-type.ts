import { contentType } from 'mime-types'

/** AWS's default for an object put without one (P-129). */
const unknown = 'binary/octet-stream'

/** A file that no S3 client described: by the ending of its name. */
export function contentTypeOf(key: string): string {
  const name = key.slice(key.lastIndexOf('/') + 1)
  return (name.includes('.') && contentType(name.slice(name.lastIndexOf('.')))) || unknown
}
