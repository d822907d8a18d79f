import Type from 'typebox'
import type { Description, Put } from '#namespace'
import type { UploadForm } from '../body/upload-form.ts'
import { GatewayError } from '../gateway-error.ts'
import { checkTags, descriptionFrom, quoted } from '../headers.ts'
import { encodeKey } from '../list-page.ts'
import { newObjectAccess } from '../object-access.ts'
import { lockActions } from '../object-lock-headers.ts'
import { type Call, defineOperation } from '../operation.ts'
import type { Content, Reply } from '../reply.ts'
import type { S3Headers } from '../s3-request.ts'
import { TagSet } from '../shapes.ts'
import { escapeXml, readXml } from '../xml.ts'
import { lockOfNewObject } from './object-lock.ts'
import { refuseUnsupportedHeaders } from './unsupported-headers.ts'

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html: a browser's form (P-058 – P-068). The fields say what the headers of a
 * PutObject say, credentials included, so `admitForm` decides where for others app.ts does.
 */
export const postObject = defineOperation({
  name: 'PostObject',
  match: { method: 'POST', on: 'bucket' },
  action: undefined,
  actionsByHeader: lockActions,
  async run(call) {
    const { bucket, directory, s3, now } = call
    const form = await call.readForm()
    const fields = withFileName(form)
    const key = keyOf(fields)
    const headers = headersOf(fields, call.headers)
    const { namespace, identity, sizeRange } = await call.admitForm({ fields, key, headers })
    refuseUnsupportedHeaders(headers, s3)
    const asking = { bucket, headers, namespace, identity, directory, s3, now }
    const description = {
      ...descriptionFrom(headers),
      ...tagsOf(fields),
      ...(await newObjectAccess(asking)),
      ...(await lockOfNewObject(asking)),
    }
    const put = await namespace.objects.put({ bucket, key }, description, form.file(headers, sizeRange), {})
    return replyOf(fields, call, key, put)
  },
})

type Fields = UploadForm['fields']

const KEY_MAX_BYTES = 1024
const TAGS_MAX = 10

/** "The variable ${filename} is recognized by all form fields"; the policy is signed as it is, and base64 has no `$`. */
function withFileName({ fields, fileName }: UploadForm): Fields {
  return new Map([...fields].map(([name, value]) => [name, value.replace(/\$\{filename\}/g, () => fileName)]))
}

/** Throws InvalidArgument, KeyTooLongError. */
function keyOf(fields: Fields): string {
  const key = fields.get('key')
  if (key === undefined) {
    throw invalidKey(
      "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.",
    )
  }
  if (key === '') throw invalidKey('User key must have a length greater than 0.')
  const sizeBytes = Buffer.byteLength(key)
  if (sizeBytes > KEY_MAX_BYTES) {
    throw new GatewayError('KeyTooLongError', { Size: sizeBytes, MaxSizeAllowed: KEY_MAX_BYTES })
  }
  return key
}

function invalidKey(message: string): GatewayError {
  return new GatewayError('InvalidArgument', { message, ArgumentName: 'key', ArgumentValue: '' })
}

/** Fields whose header has another name. */
const HEADER_OF: ReadonlyMap<string, string> = new Map([['acl', 'x-amz-acl']])

/**
 * The fields as headers of a PutObject: values are Latin-1 there, one character per byte. Of the request's own headers only what guards
 * against the wrong bucket counts.
 */
function headersOf(fields: Fields, { startingWith }: S3Headers): S3Headers {
  const headers = new Map(startingWith('x-amz-expected-bucket-owner'))
  for (const [name, value] of fields) {
    // `tagging` is XML in a form; a header of that name would be another thing.
    if (name === 'x-amz-tagging') continue
    headers.set(HEADER_OF.get(name) ?? name, Buffer.from(value, 'utf8').toString('latin1'))
  }
  return {
    get: (name) => headers.get(name),
    startingWith: (prefix) => [...headers].filter(([name]) => name.startsWith(prefix)),
  }
}

/** Throws MalformedXML, InvalidTag (P-066). */
function tagsOf(fields: Fields): Pick<Description, 'tags'> {
  const xml = fields.get('tagging')
  if (xml === undefined) return {}
  const { TagSet: set } = readXml(Buffer.from(xml), 'Tagging', Type.Object({ TagSet }))
  const tags = set.Tag.map(({ Key, Value }) => ({ key: Key, value: Value }))
  checkTags(tags, TAGS_MAX)
  return { tags }
}

/** P-065: a redirect wins; of the statuses 204 is the default, and what any other number means. */
function replyOf(
  fields: Fields,
  { bucket, endpoint }: Pick<Call, 'bucket' | 'endpoint'>,
  key: string,
  put: Put,
): Reply {
  const eTag = quoted(put.stat.eTag)
  const location = `${endpoint}/${bucket}/${encodeKey(key)}`
  const headers = { etag: eTag, location, 'x-amz-version-id': put.stat.versionId }
  const redirect = redirectOf(fields)
  if (redirect !== undefined) {
    const query = Object.entries({ bucket, key, etag: eTag }).map(
      ([name, value]) => `${name}=${encodeURIComponent(value)}`,
    )
    redirect.search = [redirect.search.slice(1), ...query].filter((each) => each !== '').join('&')
    return { status: 303, headers: { ...headers, location: redirect.href } }
  }
  const status = fields.get('success_action_status')
  if (status === '200') return { status: 200, headers }
  if (status !== '201') return { status: 204, headers }
  return { status: 201, headers, content: postResponse({ Location: location, Bucket: bucket, Key: key, ETag: eTag }) }
}

/** The one document of AWS's without a namespace, which xml.ts gives to all; clients look for its bare names. */
function postResponse(elements: Readonly<Record<string, string>>): Content {
  const inner = Object.entries(elements).map(([name, text]) => `<${name}>${escapeXml(text)}</${name}>`)
  const text = `<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse>${inner.join('')}</PostResponse>`
  return { kind: 'text', type: 'application/xml', text }
}

/** "If the URL cannot be interpreted, the field counts as not there." `redirect` is its former name. */
function redirectOf(fields: Fields): URL | undefined {
  const url = URL.parse(fields.get('success_action_redirect') ?? fields.get('redirect') ?? '')
  return url?.protocol === 'http:' || url?.protocol === 'https:' ? url : undefined
}
