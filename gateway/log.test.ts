import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { loadConfig } from './config.ts'
import { createLog, loggedKey, loggedTarget } from './log.ts'

it('a log file is made with its directory, and after it was moved away reopen makes a new one', () => {
  const directory = mkdtempSync(join(tmpdir(), 'log-'))
  const file = join(directory, 'logs', 'gateway.log')
  const { log, reopen } = createLog(loadConfig(undefined, { log: { file } }, {}), { worker: 3 })
  log.info({ headers: { authorization: 'secret', 'x-amz-security-token': 'secret' }, err: new Error('x') }, 'one')
  renameSync(file, `${file}.1`)
  log.info('two')
  expect(existsSync(file)).toBe(false)
  reopen()
  log.info('three')
  const messages = (path: string) =>
    readFileSync(path, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  expect(messages(`${file}.1`)).toMatchObject([
    { level: 'info', worker: 3, msg: 'one', headers: { authorization: '-' } },
    { msg: 'two' },
  ])
  expect(messages(file)).toMatchObject([{ msg: 'three' }])
  expect(readFileSync(`${file}.1`, 'utf8')).not.toContain('secret')
  rmSync(directory, { recursive: true })
})

it('keys are shown, hashed or left out', () => {
  expect(loggedKey('a/ä', 'plain')).toBe('a/ä')
  expect(loggedKey('a/ä', 'hash')).toMatch(/^[0-9a-f]{16}$/)
  expect(loggedKey('a/ä', 'omit')).toBeUndefined()
  expect(loggedKey('', 'hash')).toBeUndefined()
})

it('targets lose what would let a reader repeat the request, wherever it stands and however it is spelled', () => {
  expect(loggedTarget('/b/k?X-Amz-Signature=s&x-amz-security-token=t&Signature=u&versionId=1')).toBe(
    '/b/k?X-Amz-Signature=-&x-amz-security-token=-&Signature=-&versionId=1',
  )
  expect(loggedTarget('/b/Signature=k')).toBe('/b/Signature=k')
})

it('a target with a password is shown without its query', () => {
  for (const query of [
    'LDAPPassword=secret',
    'Action=A&LDAPUsername=alice&LDAPPassword=secret&LDAPPassword=secret',
    'ldappassword=secret',
    '%4c%44%41%50%50%61%73%73%77%6F%72%64=secret',
    'LDAPPassword%3Dsecret',
    'a?b&LDAPPassword=secret\nx',
  ])
    expect(loggedTarget(`/?${query}`)).toBe('/?-')
  expect(loggedTarget('/b/LDAPPassword?acl')).toBe('/b/LDAPPassword?acl')
})
