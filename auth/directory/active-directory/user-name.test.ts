import { expect, it } from 'vitest'
import { nameQueries } from './user-name.ts'

const domain = { netbiosName: 'LAB', dnsName: 'lab.example.test' }
const asked = (name: string) => nameQueries(name, domain).map(({ attribute, value }) => `${attribute}=${value}`)

it.each([
  ['alice', ['sAMAccountName=alice']],
  ['LAB\\alice', ['sAMAccountName=alice']],
  ['lab\\alice', ['sAMAccountName=alice']],
  ['OTHER\\alice', []],
  ['\\alice', []],
  ['LAB\\', []],
  ['alice@lab.example.test', ['userPrincipalName=alice@lab.example.test', 'sAMAccountName=alice']],
  ['alice@LAB', ['userPrincipalName=alice@LAB', 'sAMAccountName=alice']],
  ['alice@example.com', ['userPrincipalName=alice@example.com']],
  ['@lab', ['userPrincipalName=@lab']],
  ['', []],
  ['a\0', []],
  ['x'.repeat(65_536), []],
])('%j is asked for as %j', (name, queries) => {
  expect(asked(name)).toEqual(queries)
})

it('what looks like a filter is a value and nothing more', () => {
  for (const name of ['*)(uid=*', '*', '\\5c', 'a)(objectClass=*', '(', '\\2a'].filter((name) => !name.includes('\\')))
    expect(asked(name)).toEqual([`sAMAccountName=${name}`])
})

it('a domain that has told no name has none', () => {
  expect(nameQueries('\\alice', { netbiosName: '', dnsName: '' })).toEqual([])
  expect(nameQueries('alice@', { netbiosName: '', dnsName: '' })).toEqual([
    { attribute: 'userPrincipalName', value: 'alice@' },
  ])
})
