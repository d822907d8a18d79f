/** The commands as they are typed, on a tree that nobody serves meanwhile. */
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { ensureDirectories } from './first-run.ts'
import { readPlace } from './place.ts'

const program = fileURLToPath(new URL('causeway.ts', import.meta.url))
// Each command is a process; on a busy machine a dozen of them take their time.
vi.setConfig({ testTimeout: 120_000 })

let home: string

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'causeway-commands-'))
  await ensureDirectories(readPlace({ data: home }))
})
afterAll(() => rm(home, { recursive: true }))

async function causeway(line: string, env: Readonly<Record<string, string>> = {}) {
  const options = { reject: false, stdin: 'ignore', env } as const
  const { stdout, stderr, exitCode } = await execa(
    process.execPath,
    [program, ...line.split(' '), '--data', home],
    options,
  )
  return { stdout, stderr, exitCode }
}

const succeeded = (stdout: unknown) => ({ stdout, stderr: '', exitCode: 0 })
const failed = (sentence: string) => ({ stdout: '', stderr: `causeway: ${sentence}`, exitCode: 1 })

test('a key is made with its user, listed without its secret, disabled, enabled and removed', async () => {
  const { stdout } = await causeway('keys create alice')
  const [, id = '', secret = ''] = /^AWS_ACCESS_KEY_ID=(\w+)\nAWS_SECRET_ACCESS_KEY=(\w+)$/.exec(stdout) ?? []
  expect(id).not.toBe('')

  const listed = await causeway('keys list')
  expect(listed.stdout).toMatch(new RegExp(`^ACCESS KEY ID .*\n${id} +alice +enabled `))
  expect(listed.stdout).not.toContain(secret)

  expect(await causeway(`keys disable ${id}`)).toEqual(succeeded(''))
  expect((await causeway('keys list --user alice')).stdout).toContain('disabled')
  expect(await causeway(`keys disable ${id} --undo`)).toEqual(succeeded(''))
  expect((await causeway('keys list --user alice')).stdout).toContain('enabled')
  expect(await causeway(`keys remove ${id}`)).toEqual(succeeded(''))
  expect((await causeway('keys list --user alice')).stdout).not.toContain(id)
  expect(await causeway(`keys remove ${id}`)).toEqual(
    failed(`There is no access key ${id}; \`causeway keys list\` shows those there are.`),
  )
  expect((await readFile(join(home, 'state/users.toml'), 'utf8')).match(/name = "alice"/g)).toHaveLength(1)
})

test('a key is rotated: the new one is shown this once, the list says when the old one ends and when it was used last', async () => {
  const keyOf = (stdout: string) =>
    /^AWS_ACCESS_KEY_ID=(\w+)\nAWS_SECRET_ACCESS_KEY=(\w+)$/.exec(stdout)?.slice(1) ?? []
  const [old = ''] = keyOf((await causeway('keys create grace')).stdout)
  const started = Date.now()
  const rotated = await causeway(`keys rotate ${old} --overlap 24h`)
  const [made = '', secret = ''] = keyOf(rotated.stdout)
  expect(rotated).toMatchObject({ exitCode: 0, stderr: '' })
  expect(made).not.toBe(old)
  await writeFile(join(home, 'tree/.causeway/keys', `${made}.used`), '')
  const { stdout } = await causeway('keys list --user grace')
  const [head = '', ...rows] = stdout.split('\n')
  expect(head).toMatch(/^ACCESS KEY ID +USER +STATE +CREATED +ENDS +LAST USED$/)
  const columns = Object.fromEntries(rows.map((row) => [row.split(' ')[0], row.split(/ {2,}/)]))
  const [, , state, , ends = '', use] = columns[old] ?? []
  expect([state, use]).toEqual(['enabled', '-'])
  expect(Date.parse(ends) - started).toBeGreaterThanOrEqual(86_400_000)
  expect(Date.parse(ends) - started).toBeLessThan(86_400_000 + 120_000)
  expect(columns[made]?.slice(4)).toEqual([
    '-',
    expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \(\+10 min\)$/),
  ])
  expect(stdout).not.toContain(secret)

  await causeway(`keys rotate ${made} --overlap 0`)
  expect((await causeway('keys list --user grace')).stdout).toMatch(new RegExp(`${made} +grace +ended `))
  expect((await causeway(`keys rotate ${made}`)).stderr).toMatch(
    /^causeway: The access key \w+ has ended \(\S+\); make a new one\.$/,
  )
  expect((await causeway('keys rotate CWNOBODY')).stderr).toMatch(/^causeway: There is no access key CWNOBODY; /)
  expect((await causeway(`keys rotate ${old} --overlap soon`)).stderr).toMatch(
    /^causeway: --overlap is "soon"; give a time /,
  )
})

test('a key made elsewhere is taken over; its secret is never on the command line', async () => {
  const line = 'keys create carol --access-key-id AKIDEXAMPLE'
  expect((await causeway(line)).stderr).toContain('set CAUSEWAY_SECRET_ACCESS_KEY')
  const secret = { CAUSEWAY_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' }
  expect((await causeway(line, secret)).stdout).toContain('AWS_ACCESS_KEY_ID=AKIDEXAMPLE')
  expect(await causeway(line, secret)).toEqual(failed('There is an access key AKIDEXAMPLE already.'))
})

test('a tree is given to a group, which owns it by name', async () => {
  await causeway('keys create heidi')
  const users = join(home, 'state/users.toml')
  await writeFile(
    users,
    (await readFile(users, 'utf8')).replace('name = "heidi"\n', 'name = "heidi"\ngroups = ["crew"]\n'),
  )
  await mkdir(join(home, 'tree/given'))
  expect(await causeway(`buckets map given ${join(home, 'tree/given')} --owner group:crew`)).toEqual(succeeded(''))
  expect((await causeway('buckets list')).stdout).toMatch(/\ngiven +group:crew +/)
  const explained = await causeway('explain s3:PutBucketPolicy given --as heidi')
  expect(explained.stdout).toContain('allowed: heidi is in the group crew, which owns the bucket')
  expect(await causeway('buckets create other --owner group:nobody')).toEqual(
    failed('There is no group nobody; check the spelling.'),
  )
  expect(await causeway('buckets create other --owner crew')).toEqual(
    failed('There is no user crew; the group of that name is group:crew.'),
  )
  expect(await causeway('buckets create crews --owner group:crew')).toEqual(succeeded(''))
})

test('buckets are made and listed, a directory is mapped in place and unmapped with its files as they were', async () => {
  await causeway('keys create bob')
  expect(await causeway('buckets create photos --owner bob')).toEqual(succeeded(''))
  expect((await causeway('buckets create photos --owner bob')).exitCode).toBe(1)
  expect((await causeway('buckets create PHOTOS --owner bob')).stderr).toMatch(
    /^causeway: That is no bucket name; use /,
  )
  expect((await causeway('buckets create other --owner nobody')).stderr).toMatch(/^causeway: There is no user nobody; /)

  const existing = join(home, 'tree/existing')
  await mkdir(join(existing, 'sub'), { recursive: true })
  await writeFile(join(existing, 'sub/file'), 'bytes')
  await symlink(existing, join(home, 'link'))
  expect(await causeway(`buckets map old ${join(home, 'link')} --owner bob`)).toEqual(succeeded(''))
  for (const bucket of ['photos', 'old']) {
    const document = (name: string) => readFile(join(home, 'tree/.causeway/buckets', bucket, `${name}.json`), 'utf8')
    expect(await document('ownership')).toContain('BucketOwnerEnforced')
    expect(await document('public-access')).toContain('"blockPublicAcls":true')
  }
  const listed = await causeway('buckets list')
  expect(listed.stdout).toMatch(new RegExp(`\nold +bob +\\S+ +${existing}\n`))
  expect(listed.stdout).toMatch(new RegExp(`\nphotos +bob +\\S+ +${join(home, 'tree/photos')}$`))
  expect((await causeway(`buckets map inner ${existing}/sub --owner bob`)).stderr).toMatch(/overlaps/)
  expect((await causeway(`buckets map away ${tmpdir()} --owner bob`)).stderr).toMatch(/none of the configured roots/)
  expect((await causeway(`buckets map away ${home}/none --owner bob`)).stderr).toMatch(/none does not exist/)

  expect(await causeway('buckets unmap old')).toEqual(succeeded(''))
  expect(await readFile(join(existing, 'sub/file'), 'utf8')).toBe('bytes')
  expect((await causeway('buckets unmap old')).stderr).toMatch(/^causeway: There is no such bucket; /)
})

test('explain says who may do what, and which line says so', async () => {
  await causeway('keys create erin')
  await causeway('keys create frank')
  await causeway('buckets create explained --owner erin')
  const asked = 'explain s3:GetObject explained/report.pdf'
  expect(await causeway(`${asked} --as erin`)).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(
      /^access keys: CW\w{18}\nuser: erin \([0-9a-f]{64}\)\ngroups: none\nuid: none\nrights: .*\nmode bits .*\nallowed: erin owns the bucket$/s,
    ),
  })
  expect(await causeway(`${asked} --as frank`)).toMatchObject({
    exitCode: 1,
    stdout: expect.stringMatching(/^access keys: .*\nuser: frank .*\ndenied: /s),
  })
  expect((await causeway(asked)).stdout).toMatch(/^user: an anonymous caller\n.*\ndenied: /s)
  expect((await causeway('explain s3:ListAllMyBuckets --as frank')).stdout).toMatch(/^allowed: /m)
  expect((await causeway('explain s3:Fetch explained')).stderr).toMatch(/^causeway: There is no action s3:Fetch; /)
  expect((await causeway('explain s3:GetObject nowhere/a --as erin')).stderr).toMatch(
    /^causeway: There is no such bucket; /,
  )
  expect((await causeway(`${asked} --condition prefix`)).stderr).toMatch(/^causeway: 'prefix' is no condition; /)
})

test('check finds what does not fit the format, mends it, and then finds nothing', async () => {
  await causeway('keys create dora')
  await causeway('buckets create mended --owner dora')
  expect((await causeway('check --bucket mended')).stdout).toBe('The tree fits the format.')
  await writeFile(join(home, 'tree/mended/.%=a'), 'stepped aside for nothing')
  const found = await causeway('check --bucket mended')
  expect(found.exitCode).toBe(1)
  expect(found.stdout).toMatch(/^mended\/\.%=a: .*\n1 alias-without-reason; --repair mends what can be mended$/)
  const repaired = await causeway('check --bucket mended --repair')
  expect(repaired).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('Repaired.') })
  expect((await causeway('check --bucket mended')).exitCode).toBe(0)
  expect(await readFile(join(home, 'tree/mended/a'), 'utf8')).toBe('stepped aside for nothing')
})

test('config prints what takes effect, an example and an explanation', async () => {
  expect((await causeway('config')).stdout).toContain(`root = "${join(home, 'tree')}"`)
  expect((await causeway('config --example')).stdout).toContain('[listen]')
  expect((await causeway('config --explain')).stdout).toContain('listen.https')
})

test('what is mistyped is told in a line, with exit code 1', async () => {
  for (const line of ['kyes list', 'keys create', 'keys list --usr x', 'serve --port none']) {
    const { exitCode, stderr } = await causeway(line)
    expect(exitCode, line).toBe(1)
    expect(stderr.split('\n').length, line).toBeLessThan(3)
    expect(stderr, line).not.toMatch(/\n\s+at /)
  }
})

test('a policy is stored, attached to a group, named by explain, detached and removed', async () => {
  const file = join(home, 'team.json')
  const statement = { Sid: 'Read', Effect: 'Allow', Action: 's3:ListBucket', Resource: '*' }
  await writeFile(file, JSON.stringify({ Version: '2012-10-17', Statement: statement }))
  await writeFile(
    join(home, 'state/users.toml'),
    '[[users]]\nname = "owen"\n[[users]]\nname = "pat"\ngroups = ["team"]\n',
  )
  expect(await causeway('buckets create of-owen --owner owen')).toEqual(succeeded(''))
  expect(await causeway(`policies put team-reads ${file}`)).toEqual(succeeded(''))
  expect((await causeway('policies list')).stdout).toMatch(/^POLICY +GROUP +SID\nteam-reads +- +-$/)
  expect((await causeway('explain --as pat s3:ListBucket of-owen')).stdout).toContain('denied: ')
  expect(await causeway('policies attach team-reads team')).toEqual(succeeded(''))
  expect((await causeway('policies list')).stdout).toMatch(/\nteam-reads +team +-$/)
  expect((await causeway('explain --as pat s3:ListBucket of-owen')).stdout).toContain(
    "allowed: statement 'Read' of the policy team-reads attached to the group team allows",
  )
  expect(await causeway('policies remove team-reads')).toEqual(
    failed('The policy team-reads is attached to groups; take it from them first with `causeway policies detach`.'),
  )
  expect(await causeway('policies detach team-reads team')).toEqual(succeeded(''))
  expect(await causeway('policies remove team-reads')).toEqual(succeeded(''))
  expect((await causeway('policies list')).stdout).not.toContain('team-reads')
})

test('policies refuses with a sentence', async () => {
  const file = join(home, 'bad.json')
  await writeFile(
    file,
    '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}}',
  )
  const list = '`causeway policies list` shows'
  expect(await causeway(`policies put bad ${file}`)).toEqual(failed('Policy document should not specify a principal.'))
  expect(await causeway(`policies put .bad ${file}`)).toEqual(
    failed('".bad" is no name of a policy; use up to 128 letters, digits and +=,.@_- without a dot in front.'),
  )
  expect(await causeway('policies attach bad nobodies')).toEqual(
    failed('There is no group nobodies; check the spelling.'),
  )
  expect(await causeway('policies detach bad nobodies')).toEqual(
    failed(`The policy bad is not attached to nobodies; ${list} what is attached.`),
  )
  expect(await causeway('policies remove bad')).toEqual(failed(`There is no policy bad; ${list} those there are.`))
})
