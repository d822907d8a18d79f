import { expect, test } from 'vitest'
import type { ObjectPath, PathComponent } from '#namespace'
import { fileNeedOf, fileRights } from './file-rights.ts'

const who = { uid: 1000, gid: 100, groups: [200] }
const directory = (mode = 0o755, more: Partial<PathComponent> = {}): PathComponent => ({
  ...{ path: '/t', type: 'directory', mode, uid: 0, gid: 0, acl: undefined },
  ...more,
})
const file = (mode = 0o644, more: Partial<PathComponent> = {}) => directory(mode, { type: 'file', ...more })
const path = (kind: ObjectPath['kind'], ...components: readonly PathComponent[]): ObjectPath => ({ kind, components })

const wanted = (of: ObjectPath, need: Parameters<typeof fileRights>[2]) =>
  fileRights(who, of, need).map((right) => right.wanted.join('+'))
const answers = (of: ObjectPath, need: Parameters<typeof fileRights>[2]) =>
  fileRights(who, of, need).map(({ answer, by, missing }) => [answer, by, ...missing].join(' '))

test('reading an object needs search on the way and read on the file', () => {
  const way = path('whole', directory(), directory(0o750, { gid: 200 }), file(0o600, { uid: 1000 }))
  expect(wanted(way, 'read')).toEqual(['search', 'search', 'read'])
  expect(answers(way, 'read')).toEqual(['yes other', 'yes group', 'yes owner'])
  expect(answers(path('whole', directory(), directory(0o750), file(0o640)), 'read')).toEqual([
    'yes other',
    'no other search',
    'no other read',
  ])
})

test('changing what S3 knows of an object needs read and write on the file', () => {
  expect(wanted(path('whole', directory(), file()), 'amend')).toEqual(['search', 'read+write'])
  expect(answers(path('whole', directory(), file()), 'amend')).toEqual(['yes other', 'no other write'])
})

test('replacing and removing an object need write and search on its directory, and nothing of the file', () => {
  const way = path('whole', directory(), directory(0o757), file(0o000))
  expect(wanted(way, 'replace')).toEqual(['search', 'write+search', ''])
  expect(answers(way, 'replace')).toEqual(['yes other', 'yes other', 'yes other'])
  expect(answers(path('whole', directory(), directory(0o751), file()), 'replace')[1]).toBe('no other write')
})

test('in a sticky directory the file of somebody else is not theirs to replace', () => {
  const way = (uid: number) => path('whole', directory(0o1777), file(0o666, { uid }))
  expect(answers(way(0), 'replace')).toEqual(['yes other', 'sticky other'])
  expect(answers(way(1000), 'replace')).toEqual(['yes other', 'yes owner'])
  expect(answers(way(0), 'read')).toEqual(['yes other', 'yes other'])
})

test('a new object needs write and search on the last directory that is there', () => {
  expect(wanted(path('partial', directory(), directory()), 'replace')).toEqual(['search', 'write+search'])
  expect(wanted(path('partial', directory(), directory()), 'read')).toEqual(['search', 'search'])
})

test('where nobody can look further, every directory is on the way', () => {
  for (const need of ['read', 'replace', 'list'] as const)
    expect(wanted(path('hidden', directory(), directory()), need)).toEqual(['search', 'search'])
})

test('nothing is asked of a file or a link that stands where a directory is needed', () => {
  for (const need of ['read', 'amend', 'replace'] as const) {
    expect(wanted(path('partial', directory(), file()), need)).toEqual(['search', ''])
    expect(wanted(path('partial', directory(), directory(0o777, { type: 'symlink' })), need)).toEqual(['search', ''])
  }
})

test('an object that is a directory is read and changed as one', () => {
  const way = path('whole', directory(), directory())
  expect(wanted(way, 'read')).toEqual(['search', 'read'])
  expect(wanted(way, 'replace')).toEqual(['search', 'write+search'])
  expect(wanted(way, 'list')).toEqual(['search', 'read'])
})

test('of an older version its own mode says who may read and change it, and the directory of its key who removes it', () => {
  const way = path('older', directory(), directory(), file(0o644))
  expect(wanted(way, 'read')).toEqual(['', '', 'read'])
  expect(wanted(way, 'amend')).toEqual(['', '', 'read+write'])
  expect(wanted(way, 'replace')).toEqual(['search', 'write+search', ''])
})

test('making a bucket needs write and search on the root', () => {
  expect(wanted(path('whole', directory()), 'makeBucket')).toEqual(['write+search'])
})

test('an ACL decides beside the mode', () => {
  const acl = [{ tag: 'user', permissions: 4, id: 1000 }] as const
  expect(answers(path('whole', directory(), file(0o640, { acl })), 'read')[1]).toBe('yes named user')
  expect(answers(path('whole', directory(), file(0o640, { acl })), 'amend')[1]).toBe('no named user write')
})

test('actions on a bucket ask no file but its directory, and those on its configuration none', () => {
  expect(fileNeedOf('s3:GetObject', 'k')).toBe('read')
  expect(fileNeedOf('s3:GetObject', '')).toBeUndefined()
  expect(fileNeedOf('s3:ListBucket', '')).toBe('list')
  expect(fileNeedOf('s3:ListBucket', 'k')).toBeUndefined()
  expect(fileNeedOf('s3:CreateBucket', '')).toBe('makeBucket')
  expect(fileNeedOf('s3:PutBucketPolicy', '')).toBeUndefined()
  expect(fileNeedOf('s3:AbortMultipartUpload', 'k')).toBeUndefined()
})
