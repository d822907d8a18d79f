/** The body of one request, in the way its operation takes it. Nothing is read, and no client is asked to send, before somebody wants it. */
import type { IncomingMessage } from 'node:http'
import type { Payload } from '#auth'
import { GatewayError } from '../gateway-error.ts'
import type { Operation } from '../operation.ts'
import { isServiceForm, type S3Headers, type S3Request, withForm } from '../s3-request.ts'
import { readXml } from '../xml.ts'
import { type ObjectBody, objectBody, readSmallBody } from './pipeline.ts'
import { readUploadForm, type UploadForm } from './upload-form.ts'

export type Incoming = {
  readonly source: IncomingMessage
  /** See BodyInput. */
  readonly silenceMs: number
  /** Told before the first byte is waited for. */
  readonly wanted: () => void
}

export type RequestBody = {
  /** undefined where the operation has no `body`, or it is optional and empty. Throws MalformedXML and what readSmallBody throws. */
  readXml(body: Operation['body']): Promise<unknown>
  /** '' where the operation has no `text`. Throws its `malformed` and what readSmallBody throws. */
  readText(text: Operation['text']): Promise<string>
  /** Throws what objectBody throws. */
  object(): ObjectBody
  readForm(): Promise<UploadForm>
}

/** XML bodies; DeleteObjects with 1,000 keys of 1,024 escaped bytes and CompleteMultipartUpload with 10,000 parts fit. */
const XML_MAX_BYTES = 8 * 1024 * 1024
/** A form that is posted to the service, read before anybody is known: the longest session policy, each character of it escaped, is 12 KiB. */
const SERVICE_FORM_MAX_BYTES = 32 * 1024

/** Byte for byte: a mark at the beginning stays, and what is no UTF-8 is refused. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function requestBody(
  { source, silenceMs, wanted }: Incoming,
  { headers, payload }: { readonly headers: S3Headers; readonly payload: Payload },
): RequestBody {
  const input = { payload, headers, source, silenceMs }
  let object: ObjectBody | undefined
  return {
    async readXml(body) {
      if (body?.shape === undefined) return undefined
      wanted()
      const ignoreChecksum = body.checksumOfObject ?? false
      const bytes = await readSmallBody({ ...input, ignoreChecksum }, body.maxBytes ?? XML_MAX_BYTES)
      if (bytes.length === 0 && body.optional) return undefined
      return readXml(bytes, body.root, body.shape)
    },
    async readText(text) {
      if (text === undefined) return ''
      wanted()
      const bytes = await readSmallBody(input, text.maxBytes)
      try {
        return utf8.decode(bytes)
      } catch {
        throw new GatewayError(text.malformed)
      }
    },
    object() {
      wanted()
      object ??= objectBody(input)
      return object
    },
    readForm() {
      wanted()
      return readUploadForm({ contentType: headers.get('content-type'), source, silenceMs })
    },
  }
}

/** What asks STS says so in the body. */
export async function readServiceForm({ source, silenceMs, wanted }: Incoming, request: S3Request): Promise<S3Request> {
  if (!isServiceForm(request)) return request
  wanted()
  const input = { payload: { kind: 'unsigned' }, headers: request.headers, source, silenceMs } as const
  return withForm(request, await readSmallBody(input, SERVICE_FORM_MAX_BYTES))
}
