import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AuthError, type ChunkSignatures } from '#auth'
import { type ChunkedForm, chunkDecoder } from './aws-chunked.ts'

const UNSIGNED: ChunkedForm = { signatures: undefined, hasTrailer: false, announced: [] }
const TRAILING: ChunkedForm = { signatures: undefined, hasTrailer: true, announced: ['x-amz-checksum-crc32'] }

/** A stand-in for the chain: the signature of a chunk is the hash of the one before and the chunk's own. */
function chain(): ChunkSignatures & { sign(bytes: Uint8Array): string; signTrailer(trailers: string): string } {
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
  let signing = 'seed'
  let verifying = 'seed'
  const check = (expected: string, signature: string) => {
    if (signature !== expected) throw new AuthError('SignatureDoesNotMatch')
  }
  return {
    sign: (bytes) => {
      signing = sha256(`${signing} ${createHash('sha256').update(bytes).digest('hex')}`)
      return signing
    },
    signTrailer: (trailers) => sha256(`${signing} ${trailers}`),
    verifyChunk: (hash, signature) => {
      verifying = sha256(`${verifying} ${hash}`)
      check(verifying, signature)
    },
    verifyTrailer: (trailers, signature) => check(sha256(`${verifying} ${trailers}`), signature),
  }
}

function decode(form: ChunkedForm, pieces: readonly (Buffer | string)[]) {
  const decoder = chunkDecoder(form)
  const out: Buffer[] = []
  for (const piece of pieces) decoder.push(Buffer.from(piece), (bytes) => out.push(Buffer.from(bytes)))
  decoder.end()
  return { text: Buffer.concat(out).toString('latin1'), trailers: Object.fromEntries(decoder.trailers) }
}

const withCode = (code: string) => expect.objectContaining({ code })

/** Cuts bytes at the given places, in whatever order and however often they are named. */
function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end))
}

describe('unsigned chunks', () => {
  test.each([
    ['5\r\nhello\r\n0\r\n\r\n', 'hello'],
    ['5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n', 'hello world'],
    ['A\r\n0123456789\r\n0\r\n\r\n', '0123456789'],
    ['00005;ext=1\r\nhello\r\n0\r\n\r\n', 'hello'],
    ['4\r\n\r\n\r\n\r\n0\r\n\r\n', '\r\n\r\n'],
    ['0\r\n\r\n', ''],
    ['1\r\na\r\n0\r\n', 'a'], // the last line end left out
  ])('%j is %j', (text, expected) => {
    expect(decode(UNSIGNED, [text]).text).toBe(expected)
  })

  test('P-071: small chunks are legal where nothing is signed', () => {
    expect(decode(UNSIGNED, ['1\r\na\r\n'.repeat(1000), '0\r\n\r\n']).text).toBe('a'.repeat(1000))
  })

  test.each([
    ['x\r\n', 'InvalidChunkSizeError'],
    ['-5\r\nhello\r\n', 'InvalidChunkSizeError'],
    ['\r\n', 'InvalidChunkSizeError'],
    ['5 5\r\nhello\r\n', 'InvalidChunkSizeError'],
    ['0x5\r\nhello\r\n', 'InvalidChunkSizeError'],
    ['5\nhello\r\n0\r\n\r\n', 'InvalidChunkSizeError'],
    ['8000000000000000\r\nhello', 'InvalidChunkSizeError'], // 2^63
    ['ffffffffffffffff\r\nhello', 'InvalidChunkSizeError'],
    ['10000000000000005\r\nhello', 'InvalidChunkSizeError'],
    [`5;${'x'.repeat(2000)}`, 'InvalidChunkSizeError'],
    ['5\r\nhelloX\r\n0\r\n\r\n', 'IncompleteBody'], // longer than its size
    ['6\r\nhello\r\n0\r\n\r\n', 'IncompleteBody'], // shorter
    ['5\r\nhello0\r\n\r\n', 'IncompleteBody'], // no CRLF behind the data
    ['5\r\nhello\n0\r\n\r\n', 'IncompleteBody'],
    ['5\r\nhello\r\n0\r\n\r\nmore', 'IncompleteBody'],
    ['5\r\nhello\r\n0\r\n\r\n5\r\nhello\r\n', 'IncompleteBody'],
    ['5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n', 'MalformedTrailerError'],
  ])('P-071: %j is %s', (text, code) => {
    expect(() => decode(UNSIGNED, [text])).toThrow(withCode(code))
  })

  test('cut off anywhere before the last chunk it is IncompleteBody', () => {
    const whole = '5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n'
    for (let length = 0; length < whole.length - '\r\n\r\n'.length; length++) {
      expect(() => decode(UNSIGNED, [whole.slice(0, length)])).toThrow(withCode('IncompleteBody'))
    }
  })
})

describe('P-073, P-075: unsigned chunks with a trailer', () => {
  test.each([
    ['5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n'],
    ['5\r\nhello\r\n0\r\nX-Amz-Checksum-CRC32 : NhCmhg== \r\n\r\n'],
    ['5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\n\r\n\r\n'.replace('\n\r\n\r\n', '\r\n\r\n')],
    ['5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n'],
  ])('%j', (text) => {
    expect(decode(TRAILING, [text])).toEqual({ text: 'hello', trailers: { 'x-amz-checksum-crc32': 'NhCmhg==' } })
  })

  test('without any trailer it is legal when none was announced', () => {
    expect(decode({ ...TRAILING, announced: [] }, ['5\r\nhello\r\n0\r\n\r\n']).text).toBe('hello')
  })

  test.each([
    ['announced and absent', '0\r\n\r\n'],
    ['announced and absent, cut off', '0\r\n'],
    ['not announced', '0\r\nx-amz-checksum-sha1:AA==\r\n\r\n'],
    ['one announced, one not', '0\r\nx-amz-checksum-crc32:AAAAAA==\r\nx-other:1\r\n\r\n'],
    ['twice', '0\r\nx-amz-checksum-crc32:AAAAAA==\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n'],
    ['no colon', '0\r\nx-amz-checksum-crc32\r\n\r\n'],
    ['no name', '0\r\n:AAAAAA==\r\n\r\n'],
    ['too long', `0\r\nx-amz-checksum-crc32:${'A'.repeat(2000)}\r\n\r\n`],
    [
      'P-074: signed where nothing is',
      `0\r\nx-amz-checksum-crc32:AAAAAA==\r\nx-amz-trailer-signature:${'a'.repeat(64)}\r\n\r\n`,
    ],
  ])('%s is MalformedTrailerError', (_what, text) => {
    expect(() => decode(TRAILING, [text])).toThrow(withCode('MalformedTrailerError'))
  })

  test('cut off in the middle of a trailer it is IncompleteBody', () => {
    expect(() => decode(TRAILING, ['0\r\nx-amz-checksum-crc32:AAA'])).toThrow(withCode('IncompleteBody'))
  })
})

/** A signed body: chunks, then perhaps trailers. */
function signed(chunks: readonly Buffer[], trailers?: string) {
  const signatures = chain()
  const pieces = [...chunks, Buffer.alloc(0)].map((bytes) =>
    Buffer.concat([
      Buffer.from(`${bytes.length.toString(16)};chunk-signature=${signatures.sign(bytes)}\r\n`),
      bytes,
      Buffer.from(bytes.length > 0 ? '\r\n' : ''),
    ]),
  )
  const end =
    trailers === undefined
      ? '\r\n'
      : `${trailers.replaceAll('\n', '\r\n')}x-amz-trailer-signature:${signatures.signTrailer(trailers)}\r\n\r\n`
  return {
    form: { signatures, hasTrailer: trailers !== undefined, announced: [] },
    pieces: [...pieces, Buffer.from(end)],
  }
}

describe('P-070: signed chunks', () => {
  const large = Buffer.alloc(8192, 'x')

  test('each is verified, the empty last one too', () => {
    const { form, pieces } = signed([large, Buffer.from('end')])
    expect(decode(form, pieces).text).toBe(`${large.toString()}end`)
  })

  test('bytes changed, moved or left out fail', () => {
    const { pieces } = signed([large, Buffer.alloc(8192, 'y'), Buffer.from('end')])
    const [first = '', second = '', third = '', last = '', end = ''] = pieces
    const fails = (order: readonly (Buffer | string)[]) =>
      expect(() => decode({ signatures: chain(), hasTrailer: false, announced: [] }, order)).toThrow(
        withCode('SignatureDoesNotMatch'),
      )
    fails([second, first, third, last, end])
    fails([first, third, last, end])
    fails([first, second, third, `0;chunk-signature=${'0'.repeat(64)}\r\n\r\n`])
    fails([Buffer.from(first.toString().replace('xx', 'xy')), second, third, last, end])
    fails(['3\r\nend\r\n0\r\n\r\n'])
  })

  test('P-071: only the last chunk may be smaller than 8 KiB', () => {
    const { form, pieces } = signed([Buffer.alloc(8191), large])
    expect(() => decode(form, pieces)).toThrow(
      expect.objectContaining({
        code: 'InvalidChunkSizeError',
        detail: expect.objectContaining({ Chunk: 1, BadChunkSize: 8191 }),
      }),
    )
  })

  test('trailers are verified, in the order sent', () => {
    const announced = ['x-amz-checksum-crc32c', 'x-amz-meta-b']
    const { form, pieces } = signed([Buffer.from('hello')], 'x-amz-checksum-crc32c:sOO8/Q==\nx-amz-meta-b:1\n')
    expect(decode({ ...form, announced }, pieces).trailers).toEqual({
      'x-amz-checksum-crc32c': 'sOO8/Q==',
      'x-amz-meta-b': '1',
    })
  })

  test('a trailer that was changed is SignatureDoesNotMatch, one without a signature MalformedTrailerError', () => {
    const { form, pieces } = signed([Buffer.from('hello')], 'x-amz-checksum-crc32c:sOO8/Q==\n')
    const announced = ['x-amz-checksum-crc32c']
    const end = pieces.at(-1)?.toString() ?? ''
    const body = pieces.slice(0, -1)
    const again = () => signed([Buffer.from('hello')], 'x-amz-checksum-crc32c:sOO8/Q==\n').form
    expect(() => decode({ ...form, announced }, [...body, end.replace('sOO8', 'sOO9')])).toThrow(
      withCode('SignatureDoesNotMatch'),
    )
    expect(() =>
      decode({ ...again(), announced }, [...body, end.replace(/x-amz-trailer-signature:.*\r\n\r\n/, '\r\n')]),
    ).toThrow(withCode('MalformedTrailerError'))
  })
})

describe('pieces', () => {
  test('however the network cuts a body, the same comes out', () => {
    const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 6 })
    const cuts = fc.array(fc.nat(1000), { maxLength: 12 })
    fc.assert(
      fc.property(chunks, cuts, (parts, places) => {
        const framed = parts.map((part) =>
          Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]),
        )
        const body = Buffer.concat([...framed, Buffer.from('0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n')])
        const { text, trailers } = decode(TRAILING, split(body, places))
        expect(text).toBe(Buffer.concat(parts).toString('latin1'))
        expect(trailers).toEqual({ 'x-amz-checksum-crc32': 'AAAAAA==' })
      }),
    )
  })

  test('signed bodies too', () => {
    const cuts = fc.array(fc.nat(30_000), { maxLength: 12 })
    fc.assert(
      fc.property(cuts, fc.nat(300), (places, lastBytes) => {
        const parts = [Buffer.alloc(8192, 'a'), Buffer.alloc(9000, 'b'), Buffer.alloc(lastBytes + 1, 'c')]
        const { form, pieces } = signed(parts, '')
        expect(decode(form, split(Buffer.concat(pieces), places)).text).toBe(Buffer.concat(parts).toString())
      }),
      { numRuns: 40 },
    )
  })

  test('arbitrary bytes are decoded or refused with a code, never anything else', () => {
    const noise = fc.array(
      fc.constantFrom('0', '5', 'a', '\r\n', '\n', '\r', ';', ':', 'hello', 'x-amz-checksum-crc32:AAAAAA==\r\n'),
      {
        maxLength: 20,
      },
    )
    fc.assert(
      fc.property(noise, (pieces) => {
        try {
          decode(TRAILING, pieces)
        } catch (error) {
          expect(error).toMatchObject({
            code: expect.stringMatching(/^(InvalidChunkSizeError|IncompleteBody|MalformedTrailerError)$/),
          })
        }
      }),
    )
  })
})
