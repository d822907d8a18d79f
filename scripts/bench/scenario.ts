/** What is measured, as data. */
import { fillerBody } from './body.ts'
import type { Server } from './server.ts'
import { sha256, type Wanted } from './signed-request.ts'

export const BUCKET = 'bench'

const KIB = 1024
const MIB = 1024 * KIB

/** Load: the same requests in turn over some connections, for some seconds. */
export type LoadScenario = {
  readonly kind: 'load'
  /** For --only. */
  readonly name: string
  readonly title: string
  readonly connections: number
  /** Bytes of the object that a request moves; 0 where there is none. */
  readonly objectBytes: number
  readonly sends: boolean
  readonly takesPart: (server: Server) => boolean
  /** Keys that must exist, each of `keyBytes`. */
  readonly needs: readonly string[]
  readonly keyBytes: number
  /** How many keys a flat directory `flat-<count>/` has that must exist. */
  readonly needsFlat?: number
  readonly requests: () => readonly Wanted[]
}

/** A sequence of steps of its own, timed one by one: complete-upload.ts, changed-directory.ts. */
export type TimedScenario = {
  readonly kind: 'complete' | 'changed-directory'
  readonly name: string
  readonly title: string
  readonly takesPart: (server: Server) => boolean
  readonly needsFlat?: number
}

export type Scenario = LoadScenario | TimedScenario

/** Durability is about writes: reads are measured on one gateway only. */
const anyServer = (server: Server) => server.isCopying !== true
const oneGateway = (server: Server) => server.durability !== 'relaxed'
const oneS3 = (server: Server) => server.isS3 && oneGateway(server)

const keysOf = (name: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${name}/${index}`)

function reads(name: string, title: string, objectBytes: number, connections: number, keys: number): LoadScenario {
  const needs = keysOf(`object-${objectBytes}`, keys)
  const method = name === 'head' ? 'HEAD' : 'GET'
  return {
    kind: 'load',
    name,
    title,
    connections,
    objectBytes: method === 'HEAD' ? 0 : objectBytes,
    sends: false,
    takesPart: (server) => oneGateway(server) && (anyServer(server) || (method === 'GET' && objectBytes >= MIB)),
    needs,
    keyBytes: objectBytes,
    requests: () => needs.map((key) => ({ method, bucket: BUCKET, key })),
  }
}

function writes(
  name: string,
  title: string,
  objectBytes: number,
  connections: number,
  keys: number,
  signed: boolean,
): LoadScenario {
  return {
    kind: 'load',
    name,
    title,
    connections,
    objectBytes,
    sends: true,
    takesPart: anyServer,
    needs: [],
    keyBytes: 0,
    requests: () => {
      const payload = signed ? { sha256: sha256(fillerBody(objectBytes)) } : 'unsigned'
      return keysOf(name, keys).map((key) => ({ method: 'PUT', bucket: BUCKET, key, payload }))
    },
  }
}

const PAGE_KEYS = 1000

/** `0000042`: names sort as they count. */
export const flatName = (index: number): string => String(index).padStart(7, '0')
export const flatPrefix = (count: number): string => `flat-${count}/`

/** All pages in turn: a walk through the whole directory, again and again. */
function lists(name: string, title: string, count: number): LoadScenario {
  const prefix = encodeURIComponent(flatPrefix(count))
  const after = (page: number) => (page === 0 ? '' : `&start-after=${prefix}${flatName(page * PAGE_KEYS - 1)}`)
  return {
    kind: 'load',
    name,
    title,
    connections: 2,
    objectBytes: 0,
    sends: false,
    takesPart: oneS3,
    needs: [],
    keyBytes: 0,
    needsFlat: count,
    requests: () =>
      Array.from({ length: Math.ceil(count / PAGE_KEYS) }, (_, page) => ({
        method: 'GET',
        bucket: BUCKET,
        key: '',
        query: `list-type=2&max-keys=${PAGE_KEYS}&prefix=${prefix}${after(page)}`,
      })),
  }
}

const changed = (name: string, title: string, count: number): TimedScenario => ({
  kind: 'changed-directory',
  name,
  title,
  takesPart: (server) => oneS3(server) && server.tree !== undefined,
  needsFlat: count,
})

export const scenarios: readonly Scenario[] = [
  reads('get-4k', 'GET 4 KiB', 4 * KIB, 16, 256),
  reads('get-1m', 'GET 1 MiB', MIB, 8, 32),
  reads('get-64m', 'GET 64 MiB', 64 * MIB, 4, 2),
  reads('head', 'HEAD', 4 * KIB, 16, 256),
  writes('put-4k', 'PUT 4 KiB', 4 * KIB, 16, 256, true),
  writes('put-1m', 'PUT 1 MiB', MIB, 8, 32, true),
  writes('put-64m', 'PUT 64 MiB', 64 * MIB, 4, 4, true),
  writes('put-64m-unsigned', 'PUT 64 MiB, payload not signed', 64 * MIB, 4, 4, false),
  lists('list-100k', 'LIST 1,000 of a flat directory of 100,000', 100_000),
  changed('list-100k-changed', 'LIST 1,000 of 100,000, directory just changed', 100_000),
  lists('list-1m', 'LIST 1,000 of a flat directory of 1,000,000', 1_000_000),
  changed('list-1m-changed', 'LIST 1,000 of 1,000,000, directory just changed', 1_000_000),
  {
    kind: 'complete',
    name: 'complete',
    title: 'CompleteMultipartUpload of 64 × 16 MiB',
    takesPart: (server) => server.isS3,
  },
]

/** Takes minutes and memory for a million names: only where it is asked for. */
export const isLarge = ({ needsFlat }: Scenario): boolean => (needsFlat ?? 0) > 100_000
