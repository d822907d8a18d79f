/** Writes gateway/operations/SUPPORT.md. */
import { writeFileSync } from 'node:fs'
import { supportMatrix } from '../gateway/operations/support-matrix.ts'

writeFileSync(new URL('../gateway/operations/SUPPORT.md', import.meta.url), supportMatrix())
