/**
 * Shows that the lab's power cut is one: what was flushed is there after the next boot, byte by byte; what was only written, to the server's
 * page cache, is gone. Runs on the host; tests of what the product promises have the same shape.
 */
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeDisk, startGuest } from './guest.ts'

const flushedThenCut = `
cd $LAB_GATEWAY_1
head -c 3000000 /dev/urandom >flushed && sync flushed && sync .
md5sum flushed >$LAB_OUT/acknowledged.tmp && mv $LAB_OUT/acknowledged.tmp $LAB_OUT/acknowledged
echo lost >$LAB_BACKING/written # past NFS, whose close would flush it
sleep 600
`
const afterBoot = `
cd $LAB_GATEWAY_2
md5sum -c $LAB_OUT/acknowledged || exit 3
[ ! -s written ] || exit 4
`
const sentences: Readonly<Record<number, string>> = {
  3: 'a file that was flushed is not there after the power cut',
  4: 'a file that was only written outlived the power cut, which therefore was none',
}

/** 0, or 1 and a sentence on standard error. */
export async function powerCut(directory: string, options: { readonly memoryMiB: number }): Promise<number> {
  const disk = join(directory, 'data.img')
  const outDirectory = join(directory, 'out')
  await makeDisk(disk)
  try {
    const first = await startGuest({ ...options, disk, outDirectory, command: flushedThenCut, timeoutMs: 120_000 })
    await first.ready
    await acknowledged(outDirectory, first.ended)
    await first.cut()
    const second = await startGuest({ ...options, disk, outDirectory, command: afterBoot, timeoutMs: 120_000 })
    const code = await second.ended
    if (code === 0) return 0
    console.error(`lab: ${sentences[code ?? -1] ?? `the guest did not come up on the disk of before (${code})`}`)
    return 1
  } finally {
    await rm(disk, { force: true })
  }
}

async function acknowledged(outDirectory: string, ended: Promise<unknown>): Promise<void> {
  let over = false
  void ended.then(() => {
    over = true
  })
  while (!over) {
    const text = await readFile(join(outDirectory, 'acknowledged'), 'utf8').catch(() => '')
    if (text !== '') return
    await sleep(20)
  }
  throw new Error('The guest ended before it had flushed a file.')
}
