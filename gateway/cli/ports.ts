import { createServer } from 'node:net'
import { CommandError, isErrno } from './command-error.ts'

/** Throws CommandError when this account cannot listen there, before nginx finds out in its own words. */
export async function requireFreePort(address: { readonly host: string; readonly port: number }): Promise<void> {
  const server = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(address.port, address.host, () => resolve())
    })
  } catch (error) {
    throw isErrno(error) ? new CommandError(sentence(error.code, address), error) : error
  } finally {
    if (server.listening) await new Promise((resolve) => server.close(resolve))
  }
}

function sentence(code: string, { host, port }: { readonly host: string; readonly port: number }): string {
  if (code === 'EADDRINUSE') return `Port ${port} is in use; stop what uses it, or choose another one with --port.`
  if (code === 'EACCES') return `Port ${port} needs root; choose one above 1023 with --port.`
  return `${host} port ${port} cannot be listened on (${code}); choose an address of this machine in listen.https.`
}
