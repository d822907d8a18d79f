/** In the lab's guest: the machines around the history test, and what goes wrong with them (guest-init.sh has made them). */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Fault } from '../../conformance/history/faults.ts'

export type Machine = { readonly name: 'gateway1' | 'gateway2' | 'user'; readonly number: 1 | 2 | 3 }

/** A shell of its own. */
export type Hand = {
  /** Throws when the line ends with another code than 0. */
  run(line: string): Promise<void>
  end(): void
}

/**
 * Takes hold of the machines before anybody has a file open: a process with an open file on NFS cannot start another one while the server is
 * away (closing its copy waits for the server), least of all the one that would bring the server back.
 */
export function takeHand(): Hand {
  const shell: ChildProcess = spawn('bash', { stdio: ['pipe', 'pipe', 'inherit'] })
  const { stdin, stdout } = shell
  if (stdin === null || stdout === null) throw new Error('a shell without pipes')
  const answers = createInterface({ input: stdout })
  let last: Promise<unknown> = Promise.resolve()
  return {
    run(line) {
      const answered = last.then(async () => {
        const answer = once(answers, 'line')
        stdin.write(`{ ${line}; } >&2; echo $?\n`)
        const [code] = await answer
        if (code !== '0') throw new Error(`${line}: ${code}`)
      })
      last = answered.catch(() => {})
      return answered
    },
    end() {
      stdin.end()
    },
  }
}

/** The export once more through a machine, at `directory`. `options`: of nfs(5). */
export async function mountAgain(
  hand: Hand,
  { name, number }: Machine,
  directory: string,
  options: string,
): Promise<void> {
  const mount = `hostname ${name}; mount -t nfs -o vers=4.2,${options} 10.8.${number}.1:/ ${directory}`
  await hand.run(`mkdir -p ${directory} && nsenter --net=/run/netns/${name} unshare --uts sh -c '${mount}'`)
}

/** From now on each answer of the server takes longer to it: what is done under a lock lasts, so that a cut is likely to come in the middle of it. */
export const slowDown = (hand: Hand, { number }: Machine, delayMs: number): Promise<void> =>
  hand.run(`tc qdisc add dev lab${number} root netem delay ${delayMs}ms`)

/** Nothing goes in or out of one of them, for longer than the server's lease of 10 seconds. */
export const cutting = (hand: Hand, machines: readonly Machine[], everyMs: number): Fault => ({
  everyMs,
  async strike(random, wait) {
    const { number } = random.pick(machines)
    await hand.run(`ip link set lab${number} down`)
    await wait(12_000 + random.below(3000))
    // The route goes with the link.
    await hand.run(`ip link set lab${number} up && ip route replace 10.8.${number}.2/32 dev lab${number}`)
    return true
  },
})

/** The server forgets what clients have open and locked, and is told by them again in its grace period. */
export const restarting = (hand: Hand, everyMs: number): Fault => ({
  everyMs,
  async strike(_random, wait) {
    await hand.run('rpc.nfsd 0')
    await wait(2000)
    await hand.run('rpc.nfsd --no-udp -V 4.2 8')
    return true
  },
})
