/** A process of its own for the lock tests: takes one exclusive lock, says whether it got it, and holds it until it is killed. */
import { openPosixFiles } from '../posix-files.ts'

const [directory = '', path = '', offset = '0'] = process.argv.slice(2)
const calls = openPosixFiles(directory, { threads: 1 }).as(undefined)
console.log(await calls.lock(await calls.open(path, 'write'), BigInt(offset), 'exclusive'))
process.stdin.resume()
