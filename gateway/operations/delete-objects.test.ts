import { expect, it } from 'vitest'
import { deleteObjects } from './delete-objects.ts'
import { createHarness, headersOf, textsOf, xmlOf } from './testing/call-operation.ts'
import { fill } from './testing/fill.ts'

async function withPets() {
  const harness = createHarness()
  await fill(harness, ['ant', 'bee', 'cat'])
  const remove = (xml: string, headers = {}) =>
    harness.call(deleteObjects, { bucket: 'photos', query: { delete: '' }, headers, xml: `<Delete>${xml}</Delete>` })
  const keys = async () => {
    const page = await harness.namespace.objects.list({
      bucket: 'photos',
      prefix: '',
      delimiter: '',
      after: '',
      max: 1000,
    })
    return page.entries.map((entry) => ('object' in entry ? entry.object.key : entry.prefix))
  }
  return { ...harness, remove, keys }
}

const object = (key: string, more = '') => `<Object><Key>${key}</Key>${more}</Object>`

it('deletes what is there, and says the same of what is not and of what is named twice (P-148)', async () => {
  const { remove, keys } = await withPets()
  const reply = await remove(object('ant') + object('ant') + object('elk'))
  expect(textsOf(reply, 'Key')).toEqual(['ant', 'ant', 'elk'])
  expect(xmlOf(reply)).not.toContain('<Error>')
  expect(await keys()).toEqual(['bee', 'cat'])
})

it('tells of failures alone when it shall be quiet (P-148)', async () => {
  const { remove } = await withPets()
  const reply = await remove(`<Quiet>true</Quiet>${object('ant')}${object('bee', '<ETag>"other"</ETag>')}`)
  expect(textsOf(reply, 'Key')).toEqual(['bee'])
  expect(textsOf(reply, 'Code')).toEqual(['PreconditionFailed'])
  expect(textsOf(reply, 'Message')[0]).toMatch(/pre-conditions/)
})

it('judges ETag, Size and LastModifiedTime per entry (P-209)', async () => {
  const { remove, keys } = await withPets()
  const reply = await remove(
    object('ant', '<Size>3</Size>') +
      object('bee', '<Size>4</Size>') +
      object('cat', '<LastModifiedTime>Fri, 20 Nov 2026 12:00:00 GMT</LastModifiedTime>'),
  )
  expect(textsOf(reply, 'Code')).toEqual(['PreconditionFailed'])
  expect(await keys()).toEqual(['bee'])
})

it('answers NoSuchVersion for a version that cannot be, and deletes null (P-148)', async () => {
  const { remove, keys } = await withPets()
  const reply = await remove(
    object('ant', '<VersionId>HPni</VersionId>') + object('bee', '<VersionId>null</VersionId>'),
  )
  expect(textsOf(reply, 'Code')).toEqual(['NoSuchVersion'])
  expect(textsOf(reply, 'VersionId')).toEqual(['null', 'HPni'])
  expect(await keys()).toEqual(['ant', 'cat'])
})

it('takes 1,000 keys and refuses 1,001 (P-148)', async () => {
  const { remove } = await withPets()
  const many = (count: number) => Array.from({ length: count }, (_, index) => object(`key${index}`)).join('')
  expect(textsOf(await remove(many(1000)), 'Key')).toHaveLength(1000)
  await expect(remove(many(1001))).rejects.toMatchObject({ code: 'MalformedXML' })
  await expect(remove('')).rejects.toMatchObject({ code: 'MalformedXML' })
})

it('tolerates the bypass of a lock that is not there (P-152)', async () => {
  const { remove } = await withPets()
  const reply = await remove(object('ant'), { 'x-amz-bypass-governance-retention': 'true' })
  expect(textsOf(reply, 'Key')).toEqual(['ant'])
})

it('says NoSuchBucket of the bucket, not of each key', async () => {
  const { call } = createHarness()
  const request = { bucket: 'films', xml: `<Delete>${object('ant')}</Delete>` }
  await expect(call(deleteObjects, request)).rejects.toMatchObject({ code: 'NoSuchBucket' })
})

it('does not hide an error that nobody foresaw', async () => {
  const { namespace } = createHarness()
  await namespace.buckets.create('photos')
  const broken = { ...namespace.objects, remove: async () => Promise.reject(new TypeError('a mistake of ours')) }
  const body = { Object: [{ Key: 'ant' }] }
  const access = { require: async () => {} }
  const call = { bucket: 'photos', body, headers: headersOf({}), access, namespace: { ...namespace, objects: broken } }
  // @ts-expect-error the rest of the call is not looked at
  await expect(deleteObjects.run(call)).rejects.toThrow('a mistake of ours')
})
