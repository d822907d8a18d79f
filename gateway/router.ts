/**
 * (method, scope, query, headers) → operation. Built once from the table of operations; a dispatch looks at the few names of the
 * query that are sub-resources and at one short list of candidates, the most specific first.
 */

import { GatewayError } from './gateway-error.ts'
import type { Operation } from './operation.ts'
import type { S3Request, Scope } from './s3-request.ts'

/**
 * Every sub-resource S3 knows (section 13 of the protocol reference). A request that names one which no operation asks for must
 * not fall through to the plain GET, PUT or DELETE: `PUT /key?renameObject` is not a PutObject (P-023). What is not in this
 * list (x-id, X-Amz-*, response-*, prefix, versionId …) says how, not what, and does not count.
 */
const SUB_RESOURCES: ReadonlySet<string> = new Set([
  'abac',
  'accelerate',
  'acl',
  'analytics',
  'annotation',
  'attributes',
  'cors',
  'delete',
  'encryption',
  'intelligent-tiering',
  'inventory',
  'legal-hold',
  'lifecycle',
  'location',
  'logging',
  'metadataAnnotationTable',
  'metadataConfiguration',
  'metadataInventoryTable',
  'metadataJournalTable',
  'metadataTable',
  'metrics',
  'notification',
  'object-lock',
  'ownershipControls',
  'policy',
  'policyStatus',
  'publicAccessBlock',
  'renameObject',
  'replication',
  'requestPayment',
  'restore',
  'retention',
  'select',
  'session',
  'tagging',
  'torrent',
  'uploadId',
  'uploads',
  'versioning',
  'versions',
  'website',
])

/** ResourceType of a 405, as AWS spells it (P-022). */
const RESOURCE_TYPE: Readonly<Record<Scope, string>> = { service: 'SERVICE', bucket: 'BUCKET', object: 'OBJECT' }

type Candidate = {
  readonly operation: Operation
  readonly query: readonly (readonly [string, string | undefined])[]
  readonly headers: readonly string[]
}

/**
 * Answers the operation a request asks for. Throws GatewayError MethodNotAllowed (P-022), or NotImplemented for a sub-resource
 * that nothing here knows with any method.
 */
export function createRouter(operations: readonly Operation[]): (request: S3Request) => Operation {
  const table = new Map<string, Candidate[]>()
  for (const operation of operations) {
    const place = `${operation.match.method} ${operation.match.on}`
    table.set(place, [...(table.get(place) ?? []), candidateOf(operation)])
  }
  for (const [place, candidates] of table) table.set(place, candidates.sort(moreSpecificFirst))
  return (request) => {
    const asked = subResources(request)
    const found = table.get(`${request.method} ${request.scope}`)?.find((candidate) => fits(candidate, request, asked))
    if (found === undefined) throw refusal(table, request, asked)
    return found.operation
  }
}

function candidateOf(operation: Operation): Candidate {
  const query = (operation.match.query ?? []).map((item): readonly [string, string | undefined] => {
    const equals = item.indexOf('=')
    return equals === -1 ? [item, undefined] : [item.slice(0, equals), item.slice(equals + 1)]
  })
  return { operation, query, headers: operation.match.headers ?? [] }
}

/** A name with a value is narrower than a name; a header narrows like a name. */
function moreSpecificFirst(a: Candidate, b: Candidate): number {
  return weight(b) - weight(a)
}

function weight({ query, headers }: Candidate): number {
  return 2 * query.length + query.filter(([, value]) => value !== undefined).length + 2 * headers.length
}

/** `partNumber` chooses what to read in a GET, but in a PUT it must not be overlooked: a part is not the object. */
function subResources(request: S3Request): readonly string[] {
  if (request.rawQuery === '') return []
  return request.query
    .names()
    .filter((name) => SUB_RESOURCES.has(name) || (name === 'partNumber' && request.method === 'PUT'))
}

/** Everything the operation asks for is there, and every sub-resource that is there is one it asks for. */
function fits(candidate: Candidate, request: S3Request, asked: readonly string[]): boolean {
  for (const [name, value] of candidate.query) {
    if (value === undefined ? !request.query.has(name) : request.query.get(name) !== value) return false
  }
  for (const name of candidate.headers) if (request.headers.get(name) === undefined) return false
  return asked.every((name) => candidate.query.some(([each]) => each === name))
}

function refusal(
  table: ReadonlyMap<string, readonly Candidate[]>,
  request: S3Request,
  asked: readonly string[],
): GatewayError {
  const allowed = [...table]
    .filter(([place]) => place.endsWith(` ${request.scope}`))
    .filter(([, candidates]) => candidates.some((candidate) => fits(candidate, request, asked)))
    .map(([place]) => place.slice(0, place.indexOf(' ')))
  if (allowed.length === 0 && asked.length > 0) return new GatewayError('NotImplemented')
  return new GatewayError('MethodNotAllowed', {
    Method: request.method,
    ResourceType: RESOURCE_TYPE[request.scope],
    Allow: allowed.length === 0 ? undefined : allowed.sort().join(', '),
  })
}
