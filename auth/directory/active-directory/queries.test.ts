/** What goes over the wire: whatever a client sends as a name is one value of one comparison, to the byte. */
import fc from 'fast-check'
import { BerWriter, type Filter, type SearchOptions } from 'ldapts'
import { expect, it } from 'vitest'
import { objectSidBytes } from './object-sid.ts'
import { findGroup, findObjectGuid, readAccount, readGroups, type Search } from './queries.ts'

const BASE = 'DC=lab,DC=example,DC=test'
const ATTRIBUTES = ['sAMAccountName', 'userPrincipalName', 'mail'] as const
const HOSTILE = [
  '*',
  '*)(uid=*',
  'alice)(objectClass=*',
  '(',
  ')',
  '&',
  '\\5c',
  '\\2a',
  '\\00',
  '\0',
  'a\0b',
  '\\',
  'ü\\c3\\bc',
]

/** Of one question: where it is asked, and what its filter compares. */
async function asked(ask: (search: Search) => Promise<unknown>) {
  const questions: { baseDn: string; scope: SearchOptions['scope']; compared: readonly Comparison[] }[] = []
  await ask(async (baseDn, { scope, filter }) => {
    const writer = new BerWriter()
    ;(filter as Filter).write(writer) // text would be parsed: it must be an object
    questions.push({ baseDn, scope, compared: comparisonsOf(writer.buffer) })
    return { entries: [], connection: 1 }
  })
  return questions
}

type Comparison = { readonly attribute: string; readonly value: Buffer }

/** Filter of RFC 4511, 4.5.1.7: and [0], or [1], equalityMatch [3] of an attribute and a value. Throws where there is anything else. */
function comparisonsOf(bytes: Buffer): readonly Comparison[] {
  return elementsOf(bytes).flatMap(({ tag, content }) => {
    if (tag === 0xa0 || tag === 0xa1) return comparisonsOf(content)
    if (tag !== 0xa3) throw new Error(`a filter of kind ${tag.toString(16)}`)
    const [attribute, value, ...more] = elementsOf(content)
    if (attribute === undefined || value === undefined || more.length > 0) throw new Error('no comparison')
    return [{ attribute: attribute.content.toString(), value: value.content }]
  })
}

/** BER: tag, length (short, or the number of its bytes), content. */
function elementsOf(bytes: Buffer): readonly { readonly tag: number; readonly content: Buffer }[] {
  if (bytes.length === 0) return []
  const [tag = 0, short = 0] = bytes
  const lengthBytes = short < 0x80 ? 0 : short & 0x7f
  const length = lengthBytes === 0 ? short : bytes.readUIntBE(2, lengthBytes)
  const start = 2 + lengthBytes
  return [{ tag, content: bytes.subarray(start, start + length) }, ...elementsOf(bytes.subarray(start + length))]
}

const names = fc.oneof(
  fc.constantFrom(...HOSTILE, '*'.repeat(65_536)),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }),
  fc.array(fc.constantFrom(...HOSTILE, 'alice'), { minLength: 1, maxLength: 4 }).map((parts) => parts.join('')),
)

it('a name of a user is compared as it is, whatever is in it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...ATTRIBUTES), names, async (attribute, name) => {
      expect(await asked((search) => findObjectGuid(search, BASE, attribute, name))).toEqual([
        {
          baseDn: BASE,
          scope: 'sub',
          compared: [
            { attribute, value: Buffer.from(name) },
            { attribute: 'objectCategory', value: Buffer.from('person') },
            { attribute: 'objectClass', value: Buffer.from('user') },
          ],
        },
      ])
    }),
  )
})

it('a name of a group is compared as it is, and only a SID as a SID', async () => {
  await fc.assert(
    fc.asyncProperty(names, async (name) => {
      const [question] = await asked((search) => findGroup(search, BASE, name))
      expect(question?.compared).toEqual([
        { attribute: 'sAMAccountName', value: Buffer.from(name) },
        { attribute: 'objectCategory', value: Buffer.from('group') },
      ])
    }),
  )
  const sid = 'S-1-5-21-321277845-873389989-806497059-245'
  const [question] = await asked((search) => findGroup(search, BASE, sid))
  expect(question?.compared[0]).toEqual({ attribute: 'objectSid', value: objectSidBytes(sid) })
})

it('SIDs are compared byte by byte, those from 0x80 on too', async () => {
  const sids = ['S-1-5-21-4294967295-2155905152-255-4294967295', 'S-1-5-32-545']
  const [question] = await asked((search) => readGroups(search, BASE, sids))
  expect(question?.compared).toEqual(sids.map((sid) => ({ attribute: 'objectSid', value: objectSidBytes(sid) })))
})

it('what is no objectGUID gets into no DN', async () => {
  for (const text of [...HOSTILE, '00000000-0000-0000-0000-000000000000>,DC=x', BASE])
    await expect(asked((search) => readAccount(search, text))).rejects.toThrow('no objectGUID')
})
