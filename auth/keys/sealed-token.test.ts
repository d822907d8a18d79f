import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createMasterKey, type MasterKey, readMasterKey } from './master-key.ts'
import { sealedTokens } from './sealed-token.ts'

let folder = ''
let masterKey: MasterKey
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sealed-token-'))
  masterKey = await createMasterKey(join(folder, 'master.key'))
})
afterAll(() => rm(folder, { recursive: true }))

describe('a sealed token', () => {
  it('opens to what was sealed, and is fit for a URL', () => {
    const tokens = sealedTokens(masterKey, 'continuation-tokens')
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (text, context) => {
        const token = tokens.seal(text, context)
        expect(token).toMatch(/^[A-Za-z0-9_-]+$/)
        expect(tokens.open(token, context)).toBe(text)
        expect(tokens.seal(text, context)).toBe(token)
        expect(tokens.open(token, `${context}x`)).toBeUndefined()
      }),
    )
  })

  it('does not open when a character of it is changed, added or taken away', () => {
    const tokens = sealedTokens(masterKey, 'continuation-tokens')
    const characters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    fc.assert(
      fc.property(fc.string(), fc.nat(), fc.constantFrom(...characters), (text, where, character) => {
        const token = tokens.seal(text)
        const at = where % token.length
        fc.pre(token[at] !== character)
        expect(tokens.open(token.slice(0, at) + character + token.slice(at + 1))).toBeUndefined()
        expect(tokens.open(token.slice(0, at) + character + token.slice(at))).toBeUndefined()
        expect(tokens.open(token.slice(0, at) + token.slice(at + 1))).toBeUndefined()
      }),
    )
  })

  it.each(['', 'a', '!', 'AAAA', 'A'.repeat(64), 'A'.repeat(10_000), 'ä', 'a b', 'a=='])('%s is none', (token) => {
    expect(sealedTokens(masterKey, 'continuation-tokens').open(token)).toBeUndefined()
  })

  it('serves one purpose only, and tells nothing of what is in it', () => {
    const token = sealedTokens(masterKey, 'continuation-tokens').seal('secret/key/name')
    expect(sealedTokens(masterKey, 'session-tokens').open(token)).toBeUndefined()
    expect(Buffer.from(token, 'base64url').toString('latin1')).not.toContain('secret')
  })

  it('opens after the master key has been changed, as long as the former one is kept', async () => {
    const path = join(folder, 'rotated.key')
    const line = (byte: number) => `${Buffer.alloc(32, byte).toString('base64')}\n`
    await writeFile(path, line(1), { mode: 0o600 })
    const token = sealedTokens(await readMasterKey(path), 'continuation-tokens').seal('text')
    await writeFile(path, line(2) + line(1))
    expect(sealedTokens(await readMasterKey(path), 'continuation-tokens').open(token)).toBe('text')
    await writeFile(path, line(2))
    expect(sealedTokens(await readMasterKey(path), 'continuation-tokens').open(token)).toBeUndefined()
  })
})
