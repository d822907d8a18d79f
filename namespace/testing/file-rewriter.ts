/**
 * A process of its own: a file user who rewrites one file in place, at the same size, until killed. Content k is the number k all over,
 * finished by an mtime of k seconds, decades ago: whoever sees that mtime must see those bytes.
 */
import { futimesSync, openSync, writeSync } from 'node:fs'

const [path = '', words = '0'] = process.argv.slice(2)
const descriptor = openSync(path, 'r+')
const content = new Uint32Array(Number(words))
console.log('writing')
for (let count = 1; ; count += 1) {
  content.fill(count)
  writeSync(descriptor, content, 0, content.byteLength, 0)
  futimesSync(descriptor, count, count)
}
