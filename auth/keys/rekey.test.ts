import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { announceKeyReader, requireSealingKey } from './key-readers.ts'
import { openKeyStore } from './key-store.ts'
import { openMasterKey } from './live-master-key.ts'
import { createMasterKey, readMasterKey } from './master-key.ts'
import { readMasterKeyLines } from './master-key-lines.ts'
import { readLineNeeds, rekeyMasterKey, retireMasterKeys } from './rekey.ts'
import { sealedTokens } from './sealed-token.ts'

let folder = ''
let keysDirectory = ''
let nowMs = 0
const closing: (() => unknown)[] = []
const day = 86_400_000
/** The machine where the command is given, and another one, each with its copy of the file. */
const fileOn = (machine: string) => join(folder, `${machine}.key`)
const rekeyHere = (waitMs = 5000) =>
  rekeyMasterKey({ masterKeyFile: fileOn('here'), keysDirectory, waitMs, now: () => new Date(nowMs) })
const onHere = async () => ({
  masterKeyFile: fileOn('here'),
  keysDirectory,
  now: () => new Date(nowMs),
  waitMs: 1000,
  recordKey: recordKey ?? Buffer.alloc(32),
})
let recordKey: Buffer | undefined

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rekey-'))
  keysDirectory = join(folder, 'tree', 'keys')
  nowMs = Date.parse('2026-11-28T12:00:00Z')
  const { subkey } = await createMasterKey(fileOn('here'))
  recordKey = subkey('records').bytes
  await copy('here', 'there')
})
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
  await rm(folder, { recursive: true })
})

/** As an administrator does: whole, mode kept. */
async function copy(source: string, target: string): Promise<void> {
  await copyFile(fileOn(source), `${fileOn(target)}.new`)
  await chmod(`${fileOn(target)}.new`, 0o600)
  await rename(`${fileOn(target)}.new`, fileOn(target))
}

/** A worker on a machine. */
async function readerOn(machine: string, name = machine) {
  const masterKey = await openMasterKey(fileOn(machine), { checkEveryMs: 20 })
  closing.push(() => masterKey.close())
  const reader = await announceKeyReader({ directory: keysDirectory, masterKey, name, beatEveryMs: 20 })
  closing.push(() => reader.close())
  return {
    masterKey,
    keys: openKeyStore({ directory: keysDirectory, masterKey }),
    tokens: sealedTokens(masterKey, 'session-tokens'),
  }
}

const sealedWith = async () => {
  const names = (await readdir(keysDirectory)).filter((name) => /^[^.].*\.json$/.test(name))
  const texts = await Promise.all(names.map((name) => readFile(join(keysDirectory, name), 'utf8')))
  return [...new Set(texts.map((text): unknown => JSON.parse(text).keyId))]
}

/** Reads all keys and opens a token of each other, again and again, until it is stopped; answers what was refused. */
function hammer(readers: readonly Awaited<ReturnType<typeof readerOn>>[], ids: readonly string[]) {
  const refused: string[] = []
  let rounds = 0
  let going = true
  const work = readers.map(async ({ keys, tokens }, index) => {
    while (going) {
      for (const id of ids) if ((await keys.readKey(id)) === undefined) refused.push(`${index} ${id}`)
      const other = readers[(index + 1) % readers.length]
      if (other?.tokens.open(tokens.seal('text')) !== 'text') refused.push(`${index} token`)
      rounds++
      await sleep(1)
    }
  })
  return async () => {
    going = false
    await Promise.all(work)
    expect(rounds).toBeGreaterThan(readers.length)
    return refused
  }
}

describe('a new master key', () => {
  it('is taken by two running readers of one machine, and no key and no token is refused meanwhile', async () => {
    const readers = [await readerOn('here', 'here-1'), await readerOn('here', 'here-2')]
    const [first] = readers
    const made = await Promise.all(Array.from({ length: 20 }, () => first?.keys.createKey('alice')))
    const ids = made.flatMap((key) => key?.accessKeyId ?? [])
    const [former] = (await readMasterKey(fileOn('here'))).ids
    const stop = hammer(readers, ids)
    expect(await rekeyHere()).toEqual({ resealed: 20, damaged: [] })
    await vi.waitFor(() => expect(readers.map(({ masterKey }) => masterKey.id)).not.toContain(former))
    expect(await stop()).toEqual([])
    const { ids: lines, subkey } = await readMasterKey(fileOn('here'))
    expect(lines).toHaveLength(2)
    expect(lines[1]).toBe(former)
    expect(await sealedWith()).toEqual([subkey('access-keys').id])
  })

  it('seals nothing until another machine has it too; then, step by step, nothing is refused there either', async () => {
    const [here, there] = [await readerOn('here'), await readerOn('there')]
    const { accessKeyId } = await here.keys.createKey('alice')
    const [former] = await sealedWith()
    const stop = hammer([here, there], [accessKeyId])
    await expect(rekeyHere(300)).rejects.toThrow(
      /^Nothing was sealed anew, .* \(machine-process\): there; copy the file /,
    )
    expect(await sealedWith()).toEqual([former])
    await requireSealingKey(keysDirectory, await readMasterKey(fileOn('there')))
    await copy('here', 'there')
    expect(await rekeyHere()).toEqual({ resealed: 1, damaged: [] })
    expect(await sealedWith()).not.toEqual([former])
    // A key that the other machine makes now is still sealed with the former line, and opens here.
    const late = await there.keys.createKey('bob')
    expect((await here.keys.readKey(late.accessKeyId))?.secret).toBe(late.secret)
    await copy('here', 'there')
    await vi.waitFor(() => expect(there.masterKey.id).toBe(here.masterKey.id))
    expect(await stop()).toEqual([])
    expect(await readMasterKeyLines(fileOn('there'))).toHaveLength(2)
  })

  it('does not wait for a reader that was killed', async () => {
    await mkdir(join(keysDirectory, '.readers'), { recursive: true })
    await writeFile(join(keysDirectory, '.readers', 'killed-17.json'), '{"v":1,"keys":["00000000"]}\n')
    const options = { masterKeyFile: fileOn('here'), keysDirectory, readersGoneAfterMs: 300 }
    expect(await rekeyMasterKey(options)).toEqual({ resealed: 0, damaged: [] })
    expect(await readdir(join(keysDirectory, '.readers'))).toEqual([])
  })

  it('without which a gateway starts afterwards refuses it, and the tree stays as it is', async () => {
    const here = await readerOn('here')
    await here.keys.createKey('alice')
    await rekeyHere()
    await expect(readerOn('there')).rejects.toThrow(
      /sealed with the master key [0-9a-f]{8}, which this .* copy the file/,
    )
    // Beside a temporary, where the other one is just saying what it knows now.
    const readers = (await readdir(join(keysDirectory, '.readers'))).filter((name) => name.endsWith('.json'))
    expect(readers).toEqual(['here.json'])
    await copy('here', 'there')
    await readerOn('there')
  })

  it('beside a gateway that starts in that moment without it: the one or the other is refused, never neither', async () => {
    const seed = Date.now() % 100_000
    const both: number[] = []
    for (let trial = 0; trial < 30; trial++) {
      const directory = join(folder, `trial-${trial}`)
      const masterKeyFile = join(folder, `trial-${trial}.key`)
      const masterKey = await createMasterKey(masterKeyFile)
      const rekeyed = rekeyMasterKey({ masterKeyFile, keysDirectory: directory, waitMs: 0 })
      await sleep(((seed * (trial + 7)) % 97) / 8)
      const [sealing, starting] = await Promise.allSettled([rekeyed, announceKeyReader({ directory, masterKey })])
      if (starting.status === 'fulfilled') await starting.value.close()
      if (sealing.status === 'fulfilled' && starting.status === 'fulfilled') both.push(trial)
    }
    expect(both, `seed ${seed}`).toEqual([])
  })

  it('leaves a damaged record as it is and names it', async () => {
    const { keys } = await readerOn('here')
    await keys.createKey('alice')
    await writeFile(join(keysDirectory, 'CWBROKEN.json'), '{')
    expect(await rekeyHere()).toEqual({ resealed: 1, damaged: ['CWBROKEN'] })
    expect(await readFile(join(keysDirectory, 'CWBROKEN.json'), 'utf8')).toBe('{')
  })

  it('keeps comments and what else stands in the file, and its mode', async () => {
    const before = (await readFile(fileOn('here'), 'utf8')).trim()
    await writeFile(fileOn('here'), `# of the big tree\n\n${before}  # 2025\n`)
    await rekeyHere()
    expect((await readFile(fileOn('here'), 'utf8')).split('\n')).toEqual([
      expect.stringMatching(/^[A-Za-z0-9+/]{43}= {2}# current since 2026-11-28T12:00:00\.000Z$/),
      '# of the big tree',
      '',
      `${before}  # former since 2026-11-28T12:00:00.000Z`,
      '',
    ])
    expect(await readdir(folder)).toEqual(['here.key', 'there.key', 'tree'])
  })
})

describe('a former line', () => {
  it('is needed by the records of the tree always, by tokens for a week, by keys until they are sealed again', async () => {
    const options = await onHere()
    const needs = async () => (await readLineNeeds(options)).map(({ neededBy }) => neededBy)
    await readerOn('here')
    await rekeyHere()
    await rekeyHere()
    const ofRecords = "the records of the tree's objects, for as long as the tree"
    const tokens = 'tokens, until 2026-12-05T12:00:00.000Z'
    expect(await needs()).toEqual([['all that is sealed from now on'], [tokens], [ofRecords, tokens]])
    nowMs += 7 * day
    expect(await needs()).toEqual([['all that is sealed from now on'], [], [ofRecords]])
    // A machine that was late has sealed another key with it.
    const middle = (await readFile(fileOn('here'), 'utf8')).split('\n')[1]
    await writeFile(fileOn('late'), `${middle}\n`, { mode: 0o600 })
    const late = openKeyStore({ directory: keysDirectory, masterKey: await readMasterKey(fileOn('late')) })
    const { accessKeyId, secret } = await late.createKey('alice')
    expect((await needs())[1]).toEqual(['1 access key'])
    expect(await retireMasterKeys(options)).toMatchObject({ resealed: 1, damaged: [], retired: [expect.anything()] })
    expect(await needs()).toEqual([['all that is sealed from now on', '1 access key'], [ofRecords]])
    const after = openKeyStore({ directory: keysDirectory, masterKey: await readMasterKey(fileOn('here')) })
    expect((await after.readKey(accessKeyId))?.secret).toBe(secret)
  })

  it('that was put below by hand counts as well: keys are sealed again, and who starts without the new one is refused', async () => {
    const here = await readerOn('here')
    await here.keys.createKey('alice')
    const former = (await readFile(fileOn('here'), 'utf8')).trim()
    const lines = `${Buffer.alloc(32, 5).toString('base64')}\n${former}\n`
    await writeFile(`${fileOn('here')}.new`, lines, { mode: 0o600 })
    await rename(`${fileOn('here')}.new`, fileOn('here'))
    expect(await retireMasterKeys(await onHere())).toEqual({ resealed: 1, damaged: [], retired: [] })
    expect((await readLineNeeds(await onHere()))[1]?.neededBy).toContainEqual(
      expect.stringMatching(/^tokens, .*does not say when/),
    )
    await expect(readerOn('there')).rejects.toThrow('copy the file')
  })

  it('stays as long as a gateway seals with it', async () => {
    await readerOn('here')
    await rekeyHere()
    await copy('here', 'there')
    await rekeyHere()
    nowMs += 30 * day
    // Knows all three lines, but seals with the second.
    const text = (await readFile(fileOn('here'), 'utf8')).trim().split('\n')
    await writeFile(fileOn('there'), [text[1], text[0], text[2], ''].join('\n'))
    await readerOn('there')
    await expect(retireMasterKeys(await onHere())).rejects.toThrow(/^No line was taken out, .*: there; copy /)
    expect(await readMasterKeyLines(fileOn('here'))).toHaveLength(3)
    await copy('here', 'there')
    expect((await retireMasterKeys(await onHere())).retired).toHaveLength(1)
    expect(await readMasterKeyLines(fileOn('here'))).toHaveLength(2)
  })
})
