import { describe, expect, it } from 'vitest'
import { postObject } from './post-object.ts'
import { alice, createHarness } from './testing/call-operation.ts'
import { fill } from './testing/fill.ts'

type Fields = Readonly<Record<string, string>>

const type = { 'content-type': 'multipart/form-data; boundary=line' }

function bodyOf(fields: Fields, file = 'hello', fileName = 'cat.jpg'): string {
  const parts = Object.entries(fields).map(
    ([name, value]) => `--line\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  )
  const disposition = `Content-Disposition: form-data; name="file"; filename="${fileName}"`
  return `${parts.join('')}--line\r\n${disposition}\r\nContent-Type: text/plain\r\n\r\n${file}\r\n--line--\r\n`
}

async function post(
  fields: Fields,
  request: { file?: string; sizeRange?: { minBytes: number; maxBytes: number } } = {},
) {
  const harness = createHarness()
  await fill(harness)
  const { sizeRange } = request
  const reply = harness.call(postObject, {
    bucket: 'photos',
    headers: type,
    bytes: bodyOf(fields, request.file),
    ...(sizeRange === undefined ? {} : { sizeRange }),
  })
  const stat = (key: string) => harness.namespace.objects.stat({ bucket: 'photos', key })
  return { reply, stat }
}

const eTag = '"5d41402abc4b2a76b9719d911017c592"'

it('stores the file and answers 204 with its ETag and its place', async () => {
  const { reply, stat } = await post({ key: 'a b/cat.jpg' })
  expect(await reply).toEqual({
    status: 204,
    headers: { etag: eTag, location: 'https://s3.example.com:8443/photos/a%20b/cat.jpg' },
  })
  expect(await stat('a b/cat.jpg')).toMatchObject({ sizeBytes: 5, owner: { canonicalId: alice.canonicalId } })
})

it('keeps headers, metadata and tags of the fields; the type of the file part is nobody’s', async () => {
  const tagging = '<Tagging><TagSet><Tag><Key>animal</Key><Value>cat</Value></Tag></TagSet></Tagging>'
  const { reply, stat } = await post({
    key: 'cat.jpg',
    'Content-Type': 'image/jpeg',
    'Cache-Control': 'no-cache',
    'x-amz-meta-Place': 'Köln',
    'x-amz-storage-class': 'STANDARD_IA',
    acl: 'private',
    tagging,
  })
  await reply
  const { headers, metadata, tags } = await stat('cat.jpg')
  expect(headers).toMatchObject({ 'content-type': 'image/jpeg', 'cache-control': 'no-cache' })
  expect(metadata).toEqual({ place: Buffer.from('Köln').toString('latin1') })
  expect(tags).toEqual([{ key: 'animal', value: 'cat' }])
  const plain = await post({ key: 'cat.jpg' })
  await plain.reply
  expect((await plain.stat('cat.jpg')).headers['content-type']).toBe('binary/octet-stream')
})

it('fills the name of the file in, wherever it is asked for (P-059)', async () => {
  const { reply, stat } = await post({ key: `user/\${filename}`, 'x-amz-meta-name': `\${filename}` })
  await reply
  expect((await stat('user/cat.jpg')).metadata).toEqual({ name: 'cat.jpg' })
})

it('stores a key with a trailing slash and its bytes (P-215)', async () => {
  const { reply, stat } = await post({ key: 'asdf/' })
  await reply
  expect((await stat('asdf/')).sizeBytes).toBe(5)
})

describe('the answer (P-065)', () => {
  it.each([
    ['200', 200],
    ['204', 204],
    ['404', 204],
    ['', 204],
  ])('to success_action_status "%s" is %i', async (asked, status) => {
    const { reply } = await post({ key: 'cat.jpg', success_action_status: asked })
    expect(await reply).toMatchObject({ status })
    expect((await reply).content).toBeUndefined()
  })

  it('to 201 is a document without a namespace', async () => {
    const reply = await (await post({ key: 'a&b.jpg', success_action_status: '201' })).reply
    expect(reply.status).toBe(201)
    const location = 'https://s3.example.com:8443/photos/a%26b.jpg'
    const quoted = eTag.replaceAll('"', '&quot;')
    expect(reply.content).toEqual({
      kind: 'text',
      type: 'application/xml',
      text: `<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse><Location>${location}</Location><Bucket>photos</Bucket><Key>a&amp;b.jpg</Key><ETag>${quoted}</ETag></PostResponse>`,
    })
  })

  const query = 'bucket=photos&key=cat.jpg&etag=%225d41402abc4b2a76b9719d911017c592%22'
  it.each([
    ['http://localhost:8000/done', `http://localhost:8000/done?${query}`],
    ['https://example.com/done?a=b#top', `https://example.com/done?a=b&${query}#top`],
  ])('to %s is there', async (redirect, location) => {
    const { reply } = await post({ key: 'cat.jpg', success_action_redirect: redirect, success_action_status: '200' })
    expect(await reply).toMatchObject({ status: 303, headers: { location } })
    const former = await post({ key: 'cat.jpg', redirect })
    expect(await former.reply).toMatchObject({ status: 303, headers: { location } })
  })

  it.each(['', 'done', '/done', 'javascript:alert(1)', 'http://'])(
    'passes over the redirect "%s"',
    async (redirect) => {
      const { reply } = await post({ key: 'cat.jpg', success_action_redirect: redirect })
      expect(await reply).toMatchObject({ status: 204 })
    },
  )
})

describe('stores nothing', () => {
  it.each<[string, Fields, string]>([
    ['without a key', { 'x-amz-meta-a': 'b' }, 'InvalidArgument'],
    ['with an empty key', { key: '' }, 'InvalidArgument'],
    ['with a key of 1,025 bytes', { key: 'ä'.repeat(513) }, 'KeyTooLongError'],
    ['with tags that are no XML', { key: 'cat.jpg', tagging: 'a=b' }, 'MalformedXML'],
    ['with another document for tags', { key: 'cat.jpg', tagging: '<Tags/>' }, 'MalformedXML'],
    ['with an unknown storage class', { key: 'cat.jpg', 'x-amz-storage-class': 'COLD' }, 'InvalidStorageClass'],
    ['with an unknown ACL', { key: 'cat.jpg', acl: 'mine' }, 'InvalidArgument'],
    ['with a checksum that is none', { key: 'cat.jpg', 'x-amz-checksum-sha256': 'sailor' }, 'InvalidRequest'],
    [
      'with another checksum (P-068)',
      { key: 'cat.jpg', 'x-amz-checksum-sha256': Buffer.alloc(32).toString('base64') },
      'BadDigest',
    ],
  ])('%s', async (_what, fields, code) => {
    const { reply, stat } = await post(fields)
    await expect(reply).rejects.toMatchObject({ code })
    await expect(stat('cat.jpg')).rejects.toMatchObject({ code: 'NoSuchKey' })
  })

  it.each([
    [{ minBytes: 0, maxBytes: 4 }, 'EntityTooLarge'],
    [{ minBytes: 6, maxBytes: 9 }, 'EntityTooSmall'],
  ])('of another length than the policy allows: %o (P-062)', async (sizeRange, code) => {
    const { reply, stat } = await post({ key: 'cat.jpg' }, { sizeRange })
    await expect(reply).rejects.toMatchObject({ code })
    await expect(stat('cat.jpg')).rejects.toMatchObject({ code: 'NoSuchKey' })
  })

  it('of what is no form (P-058)', async () => {
    const harness = createHarness()
    await fill(harness)
    const reply = harness.call(postObject, { bucket: 'photos', bytes: 'hello' })
    await expect(reply).rejects.toMatchObject({ code: 'PreconditionFailed' })
  })
})

it('accepts a file of just the length that the policy allows, and its checksum (P-068)', async () => {
  const checksum = { 'x-amz-checksum-sha256': 'LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=' }
  const { reply, stat } = await post({ key: 'cat.jpg', ...checksum }, { sizeRange: { minBytes: 5, maxBytes: 5 } })
  await reply
  expect((await stat('cat.jpg')).checksum).toMatchObject({ algorithm: 'SHA256' })
})
