import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { claimInstance, findInstance, stopInstance } from './instance.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'causeway-instance-'))
})
afterEach(() => rm(directory, { recursive: true }))

const startTime = async (pid: number) => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}

test('of many that claim a directory at once exactly one has it, and it can be claimed again afterwards', async () => {
  const claims = await Promise.allSettled(Array.from({ length: 8 }, () => claimInstance(directory)))
  const held = claims.filter((claim) => claim.status === 'fulfilled')
  expect(held).toHaveLength(1)
  expect(await findInstance(directory)).toMatchObject({ pid: process.pid })
  await held[0]?.value()
  expect(await readdir(directory)).toEqual([])
  await (await claimInstance(directory))()
})

test('the second claim says which process holds the directory', async () => {
  const release = await claimInstance(directory)
  await expect(claimInstance(directory)).rejects.toThrow(`runs on ${directory} already (process ${process.pid})`)
  await release()
})

test('a process id that another program has taken over is not ours: it is neither found nor ended', async () => {
  const child = spawn('sleep', ['60'])
  try {
    await writeFile(join(directory, 'causeway.pid'), `${child.pid} 12345\n`)
    expect(await findInstance(directory)).toBeUndefined()
    expect(await stopInstance(directory, 1000)).toBe(false)
    expect(child.exitCode ?? child.signalCode).toBeNull()
    await (await claimInstance(directory))()
  } finally {
    child.kill()
  }
})

test('a running process is asked to end and waited for; stopping again does nothing', async () => {
  const child = await trapping('trap "sleep 0.3; exit 0" TERM')
  const ended = once(child, 'exit')
  await writeFile(join(directory, 'causeway.pid'), `${child.pid} ${await startTime(child.pid ?? 0)}\n`)
  expect(await stopInstance(directory, 10_000)).toBe(true)
  await ended
  expect(await stopInstance(directory, 10_000)).toBe(false)
})

test('a process that does not end is killed after the time given', async () => {
  const child = await trapping('trap "" TERM')
  const ended = once(child, 'exit')
  await writeFile(join(directory, 'causeway.pid'), `${child.pid} ${await startTime(child.pid ?? 0)}\n`)
  expect(await stopInstance(directory, 300)).toBe(true)
  expect((await ended)[1]).toBe('SIGKILL')
})

/** A shell that has set its trap: on a busy machine a signal right after the fork would come before it. */
async function trapping(trap: string) {
  const child = spawn('sh', ['-c', `${trap}; echo set; while :; do sleep 0.05; done`], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await once(child.stdout, 'data')
  return child
}
