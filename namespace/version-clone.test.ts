import { rm, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { dyingFiles } from './testing/dying-files.ts'
import { alice, bodyOf, codeOf, type DocsFixture, get, openDocs, plain, put } from './testing/fixture.ts'
import type { Amendable, Namespace } from './verbs.ts'

let fixture: DocsFixture
let namespace: Namespace

beforeEach(async () => {
  fixture = await openDocs()
  namespace = fixture.namespace
  await namespace.documents.write('docs', 'versioning', { status: 'Enabled' })
})

afterEach(() => fixture.close())

const held = { legalHold: true }
const retained = { retention: { mode: 'COMPLIANCE', until: '2100-01-01T00:00:00.000Z' } } as const

const putWith = async (content: string, protection: Amendable): Promise<string> => {
  const { stat } = await put(namespace, 'docs', 'k', content, { ...plain, ...protection })
  return stat.versionId ?? ''
}

const read = async (versionId: string): Promise<string> => {
  const object = await namespace.objects.open({ bucket: 'docs', key: 'k', versionId })
  const pieces: Buffer[] = []
  for await (const piece of object.read(0, object.stat.sizeBytes)) pieces.push(Buffer.from(piece))
  await object.close()
  return Buffer.concat(pieces).toString()
}

const remove = (versionId: string | undefined, bypassGovernance = false) =>
  codeOf(namespace.objects.remove({ bucket: 'docs', key: 'k', versionId }, { bypassGovernance }))
const amend = (to: Amendable, versionId?: string) =>
  namespace.objects.amend({ bucket: 'docs', key: 'k', versionId }, () => to)
const statOf = (versionId: string) => namespace.objects.stat({ bucket: 'docs', key: 'k', versionId })

const ways = [
  ['put with a hold', () => putWith('truth', held)],
  ['put with retention', () => putWith('truth', retained)],
  [
    'held later',
    async () => {
      const versionId = await putWith('truth', {})
      await amend(held)
      return versionId
    },
  ],
  [
    'held later, by its id',
    async () => {
      const versionId = await putWith('truth', {})
      await amend(held, versionId)
      return versionId
    },
  ],
  [
    'held when it was an older version',
    async () => {
      const versionId = await putWith('truth', {})
      await putWith('next', {})
      await amend(held, versionId)
      return versionId
    },
  ],
] as const

const attacks = [
  ['nobody', async () => undefined],
  ['a file user who unlinks it', () => rm(fixture.inBucket('k'))],
  ['a file user who rewrites it in place', () => writeFile(fixture.inBucket('k'), 'other')],
  ['an S3 client who puts another', () => putWith('newer', {})],
  ['an S3 client who deletes the key', () => namespace.objects.remove({ bucket: 'docs', key: 'k' }, {})],
] as const

test.each(ways.flatMap(([way, protect]) => attacks.map(([attacker, attack]) => ({ way, protect, attacker, attack }))))(
  'a version $way stays after $attacker',
  async ({ protect, attack }) => {
    const versionId = await protect()
    const before = await statOf(versionId)
    await attack()
    expect(await read(versionId)).toBe('truth')
    expect(await statOf(versionId)).toEqual(before)
    expect(await remove(versionId)).toBe('AccessDenied')
    expect(await remove(versionId, true)).toBe('AccessDenied')
    expect(await read(versionId)).toBe('truth')
  },
)

test('an overwritten protected version is there once, and removed for good when nothing protects it any more', async () => {
  const first = await putWith('first', held)
  const second = await putWith('second', {})
  expect(await read(first)).toBe('first')
  expect(await remove(second)).toBeUndefined()
  expect(await get(namespace, 'docs', 'k')).toBe('first')
  await writeFile(fixture.inBucket('k'), 'FIRST')
  expect(await read(first), 'what lies at the plain path is a copy again').toBe('first')
  await amend({ legalHold: false }, first)
  expect(await statOf(first)).toMatchObject({ legalHold: false })
  expect(await remove(first)).toBeUndefined()
  expect(await codeOf(statOf(first))).toBe('NoSuchVersion')
  expect(await codeOf(get(namespace, 'docs', 'k'))).toBe('NoSuchKey')
})

test('a hold is put and lifted by key or by id, and both say the same of it', async () => {
  const versionId = await putWith('truth', held)
  for (const [legalHold, by] of [
    [false, undefined],
    [true, versionId],
    [false, versionId],
    [true, undefined],
  ] as const) {
    await amend({ legalHold }, by)
    expect(await statOf(versionId)).toMatchObject({ legalHold })
    expect(await namespace.objects.stat({ bucket: 'docs', key: 'k' })).toMatchObject({ legalHold, versionId })
  }
})

test('a key that was deleted is the protected version again when its marker goes, as a copy', async () => {
  const versionId = await putWith('truth', held)
  const { versionId: marker } = await namespace.objects.remove({ bucket: 'docs', key: 'k' }, {})
  expect(await remove(marker)).toBeUndefined()
  expect(await get(namespace, 'docs', 'k')).toBe('truth')
  await writeFile(fixture.inBucket('k'), 'other')
  expect(await read(versionId)).toBe('truth')
})

test('GOVERNANCE goes by whoever bypasses it', async () => {
  const retention = { mode: 'GOVERNANCE', until: '2100-01-01T00:00:00.000Z' } as const
  const versionId = await putWith('x', { retention })
  expect(await remove(versionId)).toBe('AccessDenied')
  expect(await remove(versionId, true)).toBeUndefined()
  expect(await codeOf(statOf(versionId))).toBe('NoSuchVersion')
})

test('an upload that began with a hold is protected when it is complete', async () => {
  const target = { bucket: 'docs', key: 'k' }
  const { uploadId } = await namespace.uploads.begin(target, { ...plain, ...held }, undefined)
  const { eTag } = await namespace.uploads.putPart({ ...target, uploadId }, 1, bodyOf('truth'))
  const parts = [{ partNumber: 1, eTag, checksums: {} }]
  const { stat } = await namespace.uploads.complete({ ...target, uploadId }, parts, {})
  await rm(fixture.inBucket('k'))
  expect(await read(stat.versionId ?? '')).toBe('truth')
})

test('wherever a hold is stopped on its way, the version is there, whole, and can be held again', async () => {
  for (const older of [false, true]) {
    for (let count = 0, crashed = true; crashed; count += 1) {
      const versionId = await putWith('truth', {})
      if (older) await putWith('next', {})
      const dying = dyingFiles()
      const victim = (await fixture.victim({ openFiles: dying.openFiles })).as(alice)
      dying.arm({ crashAfter: count })
      crashed = await victim.objects
        .amend({ bucket: 'docs', key: 'k', versionId }, () => held)
        .then(
          () => false,
          () => true,
        )
      await dying.bury()
      const where = `stopped after ${count}: ${dying.log().join('; ')}`
      expect(await read(versionId), where).toBe('truth')
      expect([undefined, true]).toContain((await statOf(versionId)).legalHold)
      await amend(held, versionId)
      if (!older) await rm(fixture.inBucket('k'))
      expect(await read(versionId), where).toBe('truth')
      expect(await remove(versionId), where).toBe('AccessDenied')
      if (!crashed) expect(count, 'a hold that makes no changes is none').toBeGreaterThan(2)
    }
  }
}, 60_000)
