/** One gateway as a load generator sees it: signed requests over kept connections, each sent once. */
import { readFile } from 'node:fs/promises'
import { Pool } from 'undici'
import { findClientEnv } from '../../gateway/cli/client-env.ts'
import { type Answer, answerOf } from '../connection.ts'
import type { FastClient } from '../fast-client.ts'
import { type Credentials, sign } from '../sign.ts'

export type Endpoint = {
  /** https://host:port or http://host:port */
  readonly url: string
  readonly region: string
  readonly credentials: Credentials
  /** PEM to trust; undefined for http. */
  readonly authority?: Buffer
}

/** From a client.env, as each gateway writes one. Throws when there is none or it says too little. */
export async function readEndpoint(clientEnv: string): Promise<Endpoint> {
  const env = (await findClientEnv(clientEnv)) ?? {}
  const value = (name: string): string => {
    const found = env[name]
    if (found === undefined) throw new Error(`${clientEnv} does not say ${name}`)
    return found
  }
  const authority = env.AWS_CA_BUNDLE
  return {
    url: value('AWS_ENDPOINT_URL'),
    region: value('AWS_REGION'),
    credentials: { accessKeyId: value('AWS_ACCESS_KEY_ID'), secretAccessKey: value('AWS_SECRET_ACCESS_KEY') },
    ...(authority !== undefined && { authority: await readFile(authority) }),
  }
}

export function connectTo(endpoint: Endpoint, connections: number, timeoutMs: number): FastClient {
  const { url, region, credentials, authority } = endpoint
  const { host } = new URL(url)
  const pool = new Pool(url, {
    connections,
    pipelining: 1,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    ...(authority !== undefined && { connect: { ca: authority } }),
  })
  return {
    async send({ method, target, headers = {}, body }): Promise<Answer> {
      const signed = sign({ method, target, headers: { host, ...headers }, credentials, region })
      const answer = await pool.request({
        method,
        path: target,
        headers: signed.headers,
        body: body ?? null,
        idempotent: false,
      })
      const bytes = Buffer.from(await answer.body.arrayBuffer())
      const list = Object.entries(answer.headers).map(([name, value]): [string, string] => [name, String(value)])
      return answerOf(answer.statusCode, new Map(list), bytes)
    },
    close: () => pool.destroy(),
  }
}
