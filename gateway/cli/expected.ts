import { CommandError } from './command-error.ts'

/**
 * auth/ tells what is wrong with a file or a name by an Error whose message is the sentence; smol-toml by a SyntaxError of several
 * lines. Here they become what the command says. Errors with a type or code of their own pass through.
 */
export async function expected<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof Error) || 'code' in error) throw error
    if (error.constructor !== Error && error.name !== 'Error' && error.name !== 'TomlError') throw error
    const sentence = error.message.split('\n')[0] ?? ''
    throw new CommandError(/[.!]$/.test(sentence) ? sentence : `${sentence}.`, error)
  }
}
