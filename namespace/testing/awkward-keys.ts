import fc from 'fast-check'
import { keyBytesMax } from '../key-path.ts'

/** Keys that file systems, shells, sort orders and escape schemes stumble over. For property tests. */

const odd = fc.constantFrom(
  '',
  '.',
  '..',
  '.s3',
  '.s3-0-1',
  '.causeway',
  '.snapshot',
  '.nfs01',
  '.fs_command_gateway_1',
  '.%',
  '.%e',
  '.%=a',
  '.%+a',
  '.%25',
  '%',
  '%2F',
  '%00',
  '\0',
  '\n',
  '\x7f',
  ' ',
  'a',
  'a-',
  'a0',
  'a.',
  'A',
  'é',
  'e\u0301',
  '\u00ff',
  '\uffff',
  '\u{10000}',
  '🎉',
)

const characters = fc.constantFrom('a', 'b', '-', '.', '%', '0', '\0', '\x01', '\n', '\x7f', 'é', '€', '\uffff', '🎉')

const short = fc.array(characters, { maxLength: 4 }).map((parts) => parts.join(''))

/** Around and beyond the 255 bytes of a file name, with few different beginnings, so that chains meet. */
const long = fc
  .tuple(fc.constantFrom('x', 'é', '€', '\n', '🎉', '%'), fc.integer({ min: 60, max: 270 }), short)
  .map(([character, times, tail]) => character.repeat(times) + tail)

/** What stands between two slashes. */
export const awkwardSegments = fc.oneof(
  { weight: 4, arbitrary: odd },
  { weight: 3, arbitrary: short },
  { weight: 1, arbitrary: long },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }).map((text) => text.replaceAll('/', '')) },
)

/** 1 to 1,024 bytes. */
export const awkwardKeys = fc
  .array(awkwardSegments, { minLength: 1, maxLength: 5 })
  .map((segments) => segments.join('/'))
  .filter((key) => key !== '' && Buffer.byteLength(key) <= keyBytesMax)
