import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { asService } from './as-service.ts'
import { isAlive, kill, until } from './instance.ts'

const isRoot = process.getuid?.() === 0
const [uid, gid] = [30_001, 40_001]

/** Bits of linux/capability.h: 2 DAC_READ_SEARCH, 3 FOWNER, 6 SETGID, 7 SETUID, 10 NET_BIND_SERVICE. */
const FIVE = ((1 << 2) | (1 << 3) | (1 << 6) | (1 << 7) | (1 << 10)).toString(16).padStart(16, '0')

test('a command runs under the account given, with exactly the five capabilities in each set', async (context) => {
  if (!isRoot) context.skip('needs root')
  const [program = '', ...options] = asService(uid, gid)
  const { stdout } = await execa(program, [...options, 'sh', '-c', 'cat /proc/self/status'])
  const status = Object.fromEntries(stdout.split('\n').map((line) => line.split(/:\s*/)))
  expect(status).toMatchObject({
    Uid: Array(4).fill(uid).join('\t'),
    Gid: Array(4).fill(gid).join('\t'),
    Groups: '',
    CapInh: FIVE,
    CapPrm: FIVE,
    CapEff: FIVE,
    CapBnd: FIVE,
    CapAmb: FIVE,
    NoNewPrivs: '1',
  })
})

test('a command ends when the process that started it is killed', async (context) => {
  if (!isRoot) context.skip('needs root')
  const [program = '', ...options] = asService(uid, gid)
  const command = JSON.stringify([...options, 'sleep', '60'])
  const script = `console.log(require('node:child_process').spawn('${program}', ${command}, { stdio: 'ignore' }).pid)`
  const parent = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [text] = await once(parent.stdout, 'data')
  const pid = Number(text)
  try {
    await until('the command runs as the account', async () => {
      const { stdout } = await execa('cat', [`/proc/${pid}/comm`])
      return stdout === 'sleep'
    })
    parent.kill('SIGKILL')
    await until('the command has ended', () => !isAlive(pid))
    expect(isAlive(pid)).toBe(false)
  } finally {
    kill(pid, 'SIGKILL')
  }
})
