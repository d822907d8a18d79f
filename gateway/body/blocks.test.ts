import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { plainDecoder } from './aws-chunked.ts'
import { blocks } from './blocks.ts'

async function lengthOf(source: PassThrough, silenceMs: number): Promise<number> {
  let length = 0
  for await (const block of blocks(source, plainDecoder(), { sizeBytes: undefined, maxBytes: 1e9, silenceMs }))
    length += block.length
  return length
}

test('a client that says nothing in the middle of its body is told RequestTimeout, and its connection is left alone', async () => {
  const source = new PassThrough()
  source.write('begun')
  await expect(lengthOf(source, 50)).rejects.toMatchObject({ code: 'RequestTimeout' })
  expect(source.destroyed).toBe(false)
})

test('a slow client that says something now and then may take its time', async () => {
  const source = new PassThrough()
  const reading = lengthOf(source, 300)
  for (let piece = 0; piece < 6; piece++) {
    source.write('piece')
    await sleep(100)
  }
  source.end()
  expect(await reading).toBe(30)
})
