import { randomBytes } from 'node:crypto'
import { PassThrough, Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import type { SizeRange } from '#auth'
import { headersOf } from '../operations/testing/call-operation.ts'
import { readUploadForm, type UploadForm } from './upload-form.ts'

const contentType = 'multipart/form-data; boundary=line'
const none = headersOf({})

type Field = readonly [disposition: string, value: string | Buffer]

/** `name="key"` and its value, as a browser writes them. */
function bodyOf(fields: readonly Field[], end = '--line--\r\n'): Buffer {
  const parts = fields.map(([disposition, value]) =>
    Buffer.concat([
      Buffer.from(`--line\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n`),
      Buffer.from(value),
      Buffer.from('\r\n'),
    ]),
  )
  return Buffer.concat([...parts, Buffer.from(end)])
}

function inPieces(body: Buffer, pieceBytes: number): Readable {
  const pieces: Buffer[] = []
  for (let at = 0; at < body.length; at += pieceBytes) pieces.push(Buffer.from(body.subarray(at, at + pieceBytes)))
  return Readable.from(pieces)
}

function read(body: Buffer | string, type: string | undefined = contentType): Promise<UploadForm> {
  return readUploadForm({ contentType: type, source: Readable.from([Buffer.from(body)]) })
}

async function fileOf(form: UploadForm, sizeRange?: SizeRange): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of form.file(none, sizeRange).bytes) pieces.push(piece)
  return Buffer.concat(pieces)
}

const key: Field = ['name="key"', 'cat.jpg']
const file = (value: string | Buffer): Field => ['name="file"; filename="cat.jpg"', value]

describe('a form', () => {
  const content = Buffer.from('\r\n--lin\r\n--linen\r\n--line \r\r\n\r\n--\r\n')
  const body = bodyOf([key, ['name="Acl"', ''], file(content), ['name="submit"', 'Send']])

  it.each([1, 2, 3, 5, 7, 11, 64, 1000])('is the same in pieces of %i bytes (P-067)', async (pieceBytes) => {
    const form = await readUploadForm({ contentType, source: inPieces(body, pieceBytes) })
    expect([...form.fields]).toEqual([
      ['key', 'cat.jpg'],
      ['acl', ''],
    ])
    expect(form.fileName).toBe('cat.jpg')
    expect(await fileOf(form)).toEqual(content)
  })

  it('may hold a file of any size', async () => {
    const content = randomBytes(3 * 1024 * 1024)
    const form = await readUploadForm({ contentType, source: inPieces(bodyOf([key, file(content)]), 65_521) })
    expect((await fileOf(form)).equals(content)).toBe(true)
  })

  it('may hold an empty file, and text before its first boundary', async () => {
    const form = await read(Buffer.concat([Buffer.from('hello\r\n'), bodyOf([file('')])]))
    expect(await fileOf(form)).toHaveLength(0)
  })

  it('is known as soon as its file begins', async () => {
    const source = new PassThrough()
    const begins = body.indexOf(content)
    source.write(body.subarray(0, begins))
    const form = readUploadForm({ contentType, source })
    await form
    source.end(body.subarray(begins))
    expect(await fileOf(await form)).toEqual(content)
  })

  it.each([
    ['name="file"; filename="C:\\photos\\cat.jpg"', 'cat.jpg'],
    ['name="file"; filename="photos/cat.jpg"', 'cat.jpg'],
    ['name="file"; filename="kät;ze.jpg"', 'kät;ze.jpg'],
    ['name="file"; filename="a\\"b.jpg"', 'a"b.jpg'],
    ['name="file"; filename="k.jpg"; filename*=UTF-8\'\'k%C3%A4tze.jpg', 'kätze.jpg'],
    ['name="file"; filename="k.jpg"; filename*=UTF-8\'\'k%C3', 'k.jpg'],
    ['filename=cat.jpg; name=FILE', 'cat.jpg'],
    ['name="file"', ''],
  ])('names its file: %s', async (disposition, fileName) => {
    const form = await read(bodyOf([[disposition, 'meow']]))
    expect(form.fileName).toBe(fileName)
    expect((await fileOf(form)).toString()).toBe('meow')
  })

  it('may have fields to be ignored, twice too', async () => {
    const form = await read(bodyOf([['name="x-ignore-a"', '1'], ['name="x-ignore-a"', '2'], file('meow')]))
    expect(form.fields.size).toBe(0)
  })

  it.each(['multipart/form-data; charset=utf-8; boundary="line"', 'Multipart/Form-Data;boundary=line;a=b'])(
    'may come as %s',
    async (type) => {
      expect((await fileOf(await read(bodyOf([file('meow')]), type))).toString()).toBe('meow')
    },
  )
})

describe('refuses, before the file,', () => {
  it.each([undefined, '', 'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-database'])(
    'what is no form: %s (P-058)',
    async (type) => {
      const read = readUploadForm({ contentType: type, source: Readable.from([bodyOf([file('meow')])]) })
      await expect(read).rejects.toMatchObject({
        code: 'PreconditionFailed',
        detail: { Condition: 'Bucket POST must be of the enclosure-type multipart/form-data' },
      })
    },
  )

  const many = Array.from({ length: 10_000 }, (_each, index): Field => [`name="field${index}"`, ''])
  it.each<[string, Buffer | string, string]>([
    ['10,000 fields', bodyOf([...many, file('meow')]), 'MaxPostPreDataLengthExceededError'],
    ['a field of 1 MB', bodyOf([['name="a"', Buffer.alloc(1e6)], file('')]), 'MaxPostPreDataLengthExceededError'],
    ['headers without an end', `--line\r\n${'a'.repeat(5000)}`, 'MalformedPOSTRequest'],
    ['a field twice', bodyOf([key, key, file('meow')]), 'InvalidArgument'],
    ['a field that is no UTF-8', bodyOf([['name="key"', Buffer.from([0xff])], file('meow')]), 'InvalidArgument'],
    ['a part without a name', bodyOf([['filename="a"', ''], file('meow')]), 'MalformedPOSTRequest'],
    ['no file', bodyOf([key]), 'InvalidArgument'],
    ['no closing boundary', bodyOf([key], ''), 'MalformedPOSTRequest'],
    [
      'another boundary',
      bodyOf([key, file('meow')])
        .toString()
        .replaceAll('line', 'lime'),
      'MalformedPOSTRequest',
    ],
    ['nothing at all', '', 'MalformedPOSTRequest'],
  ])('%s', async (_what, body, code) => {
    await expect(read(body)).rejects.toMatchObject({ code })
  })

  it.each(['multipart/form-data', 'multipart/form-data; boundary=', `multipart/form-data; boundary=${'a'.repeat(71)}`])(
    'a type without a boundary: %s',
    async (type) => {
      await expect(read(bodyOf([file('meow')]), type)).rejects.toMatchObject({ code: 'MalformedPOSTRequest' })
    },
  )

  it('a client that says nothing', async () => {
    const source = new PassThrough()
    source.write('--line\r\n')
    const read = readUploadForm({ contentType, source, silenceMs: 20 })
    await expect(read).rejects.toMatchObject({ code: 'RequestTimeout' })
    expect(source.destroyed).toBe(false)
  })

  it('a client that goes away', async () => {
    const source = new PassThrough()
    const read = readUploadForm({ contentType, source })
    source.destroy()
    await expect(read).rejects.toMatchObject({ code: 'IncompleteBody' })
  })
})

describe('refuses, with the file,', () => {
  it.each<[string, Buffer, string]>([
    ['no closing boundary', bodyOf([file('meow')], ''), 'MalformedPOSTRequest'],
    ['an end in the middle', bodyOf([file('meow')]).subarray(0, -12), 'MalformedPOSTRequest'],
    ['a second file', bodyOf([file('meow'), file('woof')]), 'InvalidArgument'],
    ['more than 1 MiB after it', bodyOf([file('meow'), ['name="a"', Buffer.alloc(1.5e6)]]), 'MalformedPOSTRequest'],
  ])('%s', async (_what, body, code) => {
    const form = await readUploadForm({ contentType, source: inPieces(body, 65_536) })
    await expect(fileOf(form)).rejects.toMatchObject({ code })
  })

  it('more bytes than the policy allows, at once (P-062)', async () => {
    const source = new PassThrough()
    source.write(bodyOf([file('meow')]).subarray(0, -12))
    const form = await readUploadForm({ contentType, source })
    await expect(fileOf(form, { minBytes: 0, maxBytes: 1 })).rejects.toMatchObject({
      code: 'EntityTooLarge',
      detail: { MaxSizeAllowed: 1 },
    })
  })

  it('fewer bytes than the policy asks for (P-062)', async () => {
    const form = await read(bodyOf([file('meow')]))
    const body = form.file(none, { minBytes: 5, maxBytes: 10 })
    expect(() => body.verify({ sizeBytes: 4, digests: {} })).toThrow(
      expect.objectContaining({ code: 'EntityTooSmall', detail: { ProposedSize: 4, MinSizeAllowed: 5 } }),
    )
  })
})
