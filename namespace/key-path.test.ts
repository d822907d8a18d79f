import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeName, encodeSegment, isReservedName, keyOfPath, keyPath } from './key-path.ts'
import { awkwardKeys, awkwardSegments } from './testing/awkward-keys.ts'

const runs = { numRuns: 2000 }
const namesOf = (path: string) => path.split('/').map((name) => Buffer.from(name))

describe('the published table', () => {
  const long = 'x'.repeat(300)
  test.each([
    ['reports/2026/q3.pdf', 'reports/2026/q3.pdf', 'reports/2026/.%=q3.pdf'],
    ['100%', '100%', '.%=100%25'],
    ['a//b', 'a/.%e/b', 'a/.%e/.%=b'],
    ['/lead', '.%e/lead', '.%e/.%=lead'],
    ['/', '.%e/.%e', '.%e/.%='],
    ['.', '.%e.', '.%=.'],
    ['../..', '.%e../.%e..', '.%e../.%=..'],
    ['.s3', '.%e.s3', '.%=.s3'],
    ['.s3/locks', '.%e.s3/locks', '.%e.s3/.%=locks'],
    ['.s3-1-2', '.%e.s3-1-2', '.%=.s3-1-2'],
    ['.s3x', '.s3x', '.%=.s3x'],
    ['.snapshot', '.%e.snapshot', '.%=.snapshot'],
    ['.nfs000a', '.%e.nfs000a', '.%=.nfs000a'],
    ['.%x', '.%e.%25x', '.%=.%25x'],
    ['.%e', '.%e.%25e', '.%=.%25e'],
    ['\0\n\x7f%', '.%e%00%0A%7F%25', '.%=%00%0A%7F%25'],
    ['é\u0301', 'é\u0301', '.%=é\u0301'],
    [long, `.%+${'x'.repeat(252)}/.%e${'x'.repeat(48)}`, `.%+${'x'.repeat(252)}/.%=${'x'.repeat(48)}`],
    ['y'.repeat(255), 'y'.repeat(255), `.%+${'y'.repeat(252)}/.%=yyy`],
  ])('key %j', (key, path, alias) => {
    expect(keyPath(key)).toMatchObject({ path, alias, depth: path.split('/').length - 1 })
    expect(keyOfPath(namesOf(path), false)).toEqual({ key, aside: false })
    expect(keyOfPath(namesOf(alias), false)).toEqual({ key, aside: true })
  })

  test('a key ending in a slash may be the directory itself', () => {
    expect(keyPath('a/b/')).toEqual({ path: 'a/b/.%e', alias: 'a/b/.%=', directory: 'a/b', depth: 2 })
    expect(keyPath('/').directory).toBe('.%e')
    expect(keyPath('a').directory).toBeUndefined()
    expect(keyOfPath(namesOf('a/b'), true)).toEqual({ key: 'a/b/', aside: false })
  })

  test('a chain is cut between characters and between escapes', () => {
    expect(encodeSegment(`${'é'.repeat(130)}z`, false)).toBe(`.%+${'é'.repeat(126)}/.%e${'é'.repeat(4)}z`)
    expect(encodeSegment(`${'x'.repeat(250)}\n\n`, false)).toBe(`.%+${'x'.repeat(250)}/.%e%0A%0A`)
    expect(encodeSegment(`${'x'.repeat(249)}🎉🎉`, false)).toBe(`.%+${'x'.repeat(249)}/.%e🎉🎉`)
  })

  test.each([
    ['not UTF-8', Buffer.from([0x61, 0xff])],
    ['a surrogate in UTF-8', Buffer.from([0xed, 0xa0, 0x80])],
    ['a lower-case escape', Buffer.from('.%e%0a')],
    ['an escape of what needs none', Buffer.from('.%e%41')],
    ['an escaped slash', Buffer.from('.%e%2F')],
    ['an escaped form of a plain name', Buffer.from('.%ea')],
    ['a bare percent', Buffer.from('.%e%')],
    ['an unknown kind', Buffer.from('.%xa')],
    ['no kind', Buffer.from('.%')],
    ['a temporary', Buffer.from('.s3-lx-1')],
    ['a raw control byte', Buffer.from('a\nb')],
    ['a chain that did not need to go on', Buffer.from('.%+abc')],
    ['a chain with an escape of what needs none', Buffer.from(`.%+${'%41'.repeat(84)}`)],
    ['dot dot', Buffer.from('..')],
    ['an NFS left-over', Buffer.from('.nfs0001')],
  ])('no key gives %s', (_, name) => {
    expect(decodeName(name)).toBeUndefined()
  })

  test.each([
    ['a chain cut too early', `.%+${'x'.repeat(251)}/.%e${'x'.repeat(49)}`],
    ['a chain for a name that fits', `.%+${'x'.repeat(252)}/.%exx`],
    ['a plain end of a chain', `.%+${'x'.repeat(252)}/${'x'.repeat(48)}`],
    ['a chain without an end', `.%+${'x'.repeat(252)}`],
    ['a version', 'a/.%@1-null'],
    ['a file below a stepped aside name', '.%=a/b'],
    ['the empty key', '.%e'],
    ['the empty key, stepped aside', '.%='],
    ['more than 1024 bytes', Array(8).fill('x'.repeat(130)).join('/')],
  ])('no key has the path of %s', (_, path) => {
    expect(keyOfPath(namesOf(path), false)).toBeUndefined()
  })

  test('a version is told apart from keys', () => {
    expect(decodeName(Buffer.from('.%@17-null'))).toEqual({ kind: 'version', segment: '17-null' })
  })

  test('a lone surrogate is a mistake of the caller', () => {
    expect(() => keyPath('a\ud800')).toThrow('well-formed')
    expect(() => keyPath('')).toThrow('1 to 1024')
    expect(() => keyPath('é'.repeat(513))).toThrow('1 to 1024')
  })
})

describe('properties', () => {
  test('every key comes back from its path and from its alias', () => {
    fc.assert(
      fc.property(awkwardKeys, (key) => {
        const { path, alias, directory, depth } = keyPath(key)
        expect(keyOfPath(namesOf(path), false)).toEqual({ key, aside: false })
        expect(keyOfPath(namesOf(alias), false)).toEqual({ key, aside: true })
        expect(directory === undefined).toBe(!key.endsWith('/'))
        if (directory !== undefined) {
          expect(path).toBe(`${directory}/.%e`)
          expect(keyOfPath(namesOf(directory), true)).toEqual({ key, aside: false })
        }
        expect(depth).toBe(path.split('/').length - 1)
      }),
      runs,
    )
  })

  test('no two keys share a path or an alias', () => {
    fc.assert(
      fc.property(fc.uniqueArray(awkwardKeys, { minLength: 2, maxLength: 20 }), (keys) => {
        const places = keys.flatMap((key) => [keyPath(key).path, keyPath(key).alias])
        expect(new Set(places).size).toBe(places.length)
      }),
      runs,
    )
  })

  test('every name is one that any file system takes, and none is reserved', () => {
    fc.assert(
      fc.property(awkwardKeys, (key) => {
        const { path, alias } = keyPath(key)
        for (const name of [...namesOf(path), ...namesOf(alias)]) {
          expect(name.length).toBeGreaterThan(0)
          expect(name.length).toBeLessThanOrEqual(255)
          expect(['.', '..']).not.toContain(name.toString())
          expect(isReservedName(name)).toBe(false)
          expect(name.includes(0) || name.includes(0x0a) || name.includes(0x7f)).toBe(false)
        }
      }),
      runs,
    )
  })

  const encodings = fc
    .tuple(awkwardSegments, fc.boolean())
    .map(([segment, aside]) => Buffer.from(encodeSegment(segment, aside).split('/').at(-1) ?? ''))
  const mutated = fc
    .tuple(encodings, fc.nat(), fc.integer({ min: 0, max: 255 }), fc.constantFrom('set', 'insert', 'remove'))
    .map(([name, position, byte, how]) => {
      const at = position % (name.length + 1)
      const rest = name.subarray(how === 'insert' ? at : at + 1)
      return Buffer.concat([name.subarray(0, at), ...(how === 'remove' ? [] : [Buffer.from([byte])]), rest])
    })
  const marked = fc
    .tuple(fc.constantFrom('.%e', '.%=', '.%+', '.%', '.s3-', '.'), fc.uint8Array({ maxLength: 260 }))
    .map(([mark, bytes]) => Buffer.concat([Buffer.from(mark), bytes]))
  const fileNames = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    marked,
    encodings,
    mutated,
  )

  test('an arbitrary file name is no key, or encodes to exactly its bytes again', () => {
    let accepted = 0
    fc.assert(
      fc.property(fileNames, (name) => {
        const decoded = decodeName(name)
        if (decoded === undefined) return
        accepted += 1
        if (decoded.kind === 'version' || decoded.kind === 'continues') return
        expect(decoded.segment).not.toContain('/')
        expect(Buffer.from(encodeSegment(decoded.segment, decoded.kind === 'aside'))).toEqual(name)
      }),
      { numRuns: 5000 },
    )
    expect(accepted).toBeGreaterThan(500)
  })

  test('an arbitrary path is no key, or is that key’s path or alias', () => {
    const paths = fc.array(fc.oneof({ weight: 3, arbitrary: encodings }, { weight: 1, arbitrary: fileNames }), {
      minLength: 1,
      maxLength: 4,
    })
    const whole = awkwardKeys.map((key) => namesOf(keyPath(key).path))
    fc.assert(
      fc.property(fc.oneof(paths, whole), fc.boolean(), (names, isDirectory) => {
        const found = keyOfPath(names, isDirectory)
        if (found === undefined) return
        const { path, alias, directory } = keyPath(found.key)
        const raw = Buffer.from(names.map((name) => name.toString('latin1')).join('/'), 'latin1')
        expect(Buffer.from((isDirectory ? directory : found.aside ? alias : path) ?? '')).toEqual(raw)
      }),
      runs,
    )
  })
})
