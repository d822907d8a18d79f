import { spawn } from 'node:child_process'

/**
 * Resolves when the file system at `path` has answered (statfs), be it with an error, or `signal` is aborted. By a process of its own, stat(1): while a
 * server is away whoever asks stays in the kernel, and a thread of this process that does keeps it from ending.
 */
export function reach(path: string, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const child = spawn('stat', ['-f', '--', path], { stdio: 'ignore', signal, killSignal: 'SIGKILL' })
  child.unref()
  child.once('exit', () => resolve())
  // Aborted, or there is no such program: then who opens the root finds out.
  child.once('error', () => resolve())
  return promise
}
