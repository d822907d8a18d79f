import { execFileSync } from 'node:child_process'
import { chmod, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { PathComponent } from '#namespace'
import { type AskedOfFiles, findModeRefusal, modeLines, modeOf } from './mode-lines.ts'

const component = (path: string, mode: number, more: Partial<PathComponent> = {}): PathComponent => ({
  ...{ path, type: 'directory', mode, uid: 0, gid: 0, acl: undefined },
  ...more,
})

const asked: AskedOfFiles = {
  who: { uid: 1000, gid: 100, groups: [] },
  path: {
    kind: 'whole',
    components: [
      component('/t', 0o755),
      component('/t/photos', 0o2750, { uid: 990, gid: 21_000 }),
      component('/t/photos/a', 0o600, { type: 'file', uid: 1000 }),
    ],
  },
  need: 'read',
  enforcement: 'service',
}

test('each part of the way has its mode, owner and group, what the user may there, and by which class', () => {
  expect(modeLines(asked)).toEqual([
    'mode bits (not asked: enforcement is service):',
    '  drwxr-xr-x  0:0        other may search      /t',
    '  drwxr-s---  990:21000  other may not search  /t/photos',
    '  -rw-------  1000:0     owner may read        /t/photos/a',
  ])
  expect(modeLines({ ...asked, enforcement: 'kernel' })[0]).toBe('mode bits:')
})

test('without a uid the modes are shown, and nothing is said about anybody', () => {
  expect(modeLines({ ...asked, who: undefined })[2]).toBe('  drwxr-s---  990:21000  -  /t/photos')
  expect(findModeRefusal({ ...asked, who: undefined })).toBeUndefined()
})

test.each([
  ['there is no object', 'partial', '  there is no object of this key'],
  ['this account may look no further', 'hidden', '  further down this account may not look'],
] as const)('where %s, the lines say so', (_, kind, line) => {
  const path = { kind, components: [component('/t', 0o755)] }
  expect(modeLines({ ...asked, path }).slice(1)).toEqual(['  drwxr-xr-x  0:0  other may search  /t', line])
})

test('the first part that refuses is the reason', () => {
  expect(findModeRefusal(asked)).toEqual({
    path: '/t/photos',
    mode: 'drwxr-s--- 990:21000',
    text: 'other may not search',
  })
  expect(findModeRefusal({ ...asked, who: { uid: 1000, gid: 21_000, groups: [] } })).toBeUndefined()
})

test('what is kept by a sticky bit, decided by an ACL or not asked at all is told so', () => {
  const way = (last: PathComponent) =>
    ({ ...asked, need: 'replace', path: { kind: 'whole', components: [component('/t', 0o1777), last] } }) as const
  const sticky = way(component('/t/a', 0o666, { type: 'file' }))
  expect(modeLines(sticky)[2]).toContain('kept by the sticky bit of its directory')
  expect(findModeRefusal(sticky)?.text).toContain('kept by the sticky bit')
  expect(modeLines(way(component('/t/a', 0o666, { type: 'file', uid: 1000 })))[2]).toContain('  not asked  ')
  const entries = [{ tag: 'user', permissions: 4, id: 1000 }] as const
  const acl = { ...way(component('/t/a', 0o640, { type: 'file', acl: entries })), need: 'read' } as const
  expect(modeLines(acl)[2]).toBe('  -rw-r-----+  0:0  named user may read  /t/a')
  const link = { kind: 'partial', components: [component('/t/a', 0o777, { type: 'symlink' })] } as const
  expect(modeLines({ ...asked, path: link })[1]).toBe('  lrwxrwxrwx  0:0  a link, never followed  /t/a')
})

test('a mode reads as ls shows it', async () => {
  const path = await mkdtemp(join(tmpdir(), 'causeway-mode-'))
  try {
    for (const mode of [0o000, 0o700, 0o751, 0o1777, 0o1776, 0o2750, 0o2740, 0o4711, 0o6644, 0o7777]) {
      await chmod(path, mode)
      const { mode: all, uid, gid } = await stat(path)
      const shown = execFileSync('ls', ['-ld', path], { encoding: 'utf8' }).slice(0, 10)
      expect(modeOf(component(path, all & 0o7777, { uid, gid }))).toBe(shown)
    }
  } finally {
    await rm(path, { recursive: true })
  }
})
