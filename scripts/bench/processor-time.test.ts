import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { livingFamily, parseStat, processorTime } from './processor-time.ts'

describe('the processor time of a process', () => {
  it('is read whatever its name is', () => {
    const text =
      '42 (a b) S 9) S 7 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 12345 1000000 100 18446744073709551615'
    expect(parseStat(text)).toEqual({ pid: 42, name: 'a b) S 9', state: 'S', parent: 7, cpuMs: 3000 })
  })

  it('is that of its children too', async () => {
    // By its own processor time: on a busy machine 300 ms of the clock may be far less.
    const spin = 'while (process.cpuUsage().user < 300_000); setInterval(() => {}, 1000)'
    const shell = spawn('sh', ['-c', `"${process.execPath}" -e '${spin}' & echo "$!"; wait`], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const [said] = await once(shell.stdout, 'data')
    const child = Number(String(said))
    try {
      const pid = shell.pid ?? 0
      expect(livingFamily(pid)).toContain(child)
      for (const deadline = Date.now() + 10_000; processorTime(pid).workers < 200; ) {
        expect(Date.now()).toBeLessThan(deadline)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      expect(processorTime(pid).nginx).toBe(0)
    } finally {
      process.kill(child, 'SIGKILL')
      await once(shell, 'exit')
    }
  })
})
