/**
 * Runs in the guest: on each mount, bytes written through it and read through another one go over flexible-file layouts, and the data
 * server (NFSv3) is what moved them. Exit code 1 and a sentence where not.
 */
import { createHash, randomBytes } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { callsOf, mountStatsOf } from './mountstats.ts'

const sizeBytes = 4 * 1024 * 1024

type Counts = { readonly layouts: number; readonly dataReads: number; readonly dataWrites: number }

const mounts = ['LAB_GATEWAY_1', 'LAB_GATEWAY_2', 'LAB_USER'].map((name) => {
  const directory = process.env[name]
  if (directory === undefined) throw new Error(`${name} is not set; run this by npm run lab:nfs -- --only layouts.`)
  return { name, directory }
})

const failures: string[] = []
for (const [index, writer] of mounts.entries()) {
  const reader = mounts[(index + 1) % mounts.length]
  if (reader === undefined) continue
  const name = `layouts-${index}`
  const bytes = randomBytes(sizeBytes)
  const start = await countsOf(writer.directory)
  await writeFile(join(writer.directory, name), bytes, { mode: 0o600, flush: true })
  const written = await countsOf(writer.directory)
  const startOfReader = await countsOf(reader.directory)
  const back = await readFile(join(reader.directory, name))
  const read = await countsOf(reader.directory)
  await rm(join(writer.directory, name))

  expectRise(`${writer.name}: LAYOUTGET by writing`, written.layouts - start.layouts)
  expectRise(`${writer.name}: WRITE at the data server`, written.dataWrites - start.dataWrites)
  expectRise(`${reader.name}: LAYOUTGET by reading`, read.layouts - startOfReader.layouts)
  expectRise(`${reader.name}: READ at the data server`, read.dataReads - startOfReader.dataReads)
  const digest = (content: Buffer) => createHash('sha256').update(content).digest('hex')
  if (digest(back) !== digest(bytes)) failures.push(`${reader.name} read other bytes than ${writer.name} wrote`)
}
for (const failure of failures) console.error(`lab: ${failure}`)
process.exitCode = failures.length === 0 ? 0 : 1

function expectRise(what: string, rise: number): void {
  console.log(`${what}: ${rise}`)
  if (!(rise > 0)) failures.push(`${what}: none; the bytes went another way`)
}

/** Of one mount, from /proc/self/mountstats; READ and WRITE of the server's NFSv3 side are counted for all mounts together. */
async function countsOf(directory: string): Promise<Counts> {
  const own = await mountStatsOf(directory)
  if (!own.includes('pnfs=LAYOUT_FLEX_FILES'))
    throw new Error(`${directory} is not mounted with flexible-file layouts.`)
  const calls =
    /^proc3 \d+ (.+)$/m
      .exec(await readFile('/proc/net/rpc/nfsd', 'utf8'))?.[1]
      ?.split(' ')
      .map(Number) ?? []
  return {
    layouts: callsOf(own, 'LAYOUTGET'),
    // By procedure number of RFC 1813: 6 is READ, 7 is WRITE.
    dataReads: calls[6] ?? Number.NaN,
    dataWrites: calls[7] ?? Number.NaN,
  }
}
