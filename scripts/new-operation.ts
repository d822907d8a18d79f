/**
 * `npm run new-operation -- PutBucketFoo` writes the operation's file, its test, and its lines in operations/index.ts; what is left is
 * `run` and the promises in the test. Refuses an operation that is there.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What is written where. Pure, so that a test needs no files. */
export type NewOperation = { readonly file: string; readonly test: string; readonly index: string }

const METHODS: Readonly<Record<string, string>> = {
  Abort: 'DELETE',
  Copy: 'PUT',
  Create: 'POST',
  Delete: 'DELETE',
  Get: 'GET',
  Head: 'HEAD',
  List: 'GET',
  Put: 'PUT',
  Restore: 'POST',
  Select: 'POST',
  Update: 'PUT',
  Upload: 'PUT',
}

/** `PutBucketFoo` → `put-bucket-foo`; AWS's `V2` stays in one piece. */
export function fileNameOf(name: string): string {
  return name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, '-').toLowerCase()
}

/** Throws an Error with a sentence where `name` is none of AWS's. `index` is the text of operations/index.ts. */
export function newOperation(name: string, index: string): NewOperation {
  const verb = /^[A-Z][a-z]+/.exec(name)?.[0] ?? ''
  const method = METHODS[verb]
  if (!/^[A-Z][A-Za-z0-9]+$/.test(name) || method === undefined) {
    throw new Error(
      `${name || 'The name'} is no operation; give AWS's own name, such as PutBucketFoo. It begins with ${Object.keys(METHODS).join(', ')}.`,
    )
  }
  const variable = name.charAt(0).toLowerCase() + name.slice(1)
  const base = fileNameOf(name)
  if (new RegExp(`\\b${variable}\\b`).test(index)) throw new Error(`${name} is in operations/index.ts already.`)
  return { file: operationText(name, variable, method), test: testText(name), index: withLines(index, variable, base) }
}

function operationText(name: string, variable: string, method: string): string {
  const rest = name.replace(/^[A-Z][a-z]+/, '')
  const scope = rest.startsWith('Object') ? 'object' : 'bucket'
  const parameter = rest.replace(/^(?:Bucket|Object)/, '').toLowerCase()
  const query = parameter === '' ? '' : `, query: ['${parameter}']`
  return `import { GatewayError } from '../gateway-error.ts'
import { defineOperation } from '../operation.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_${name}.html */
export const ${variable} = defineOperation({
  name: '${name}',
  match: { method: '${method}', on: '${scope}'${query} },
  action: 's3:${name}',
  async run({ bucket, namespace }) {
    await namespace.buckets.read(bucket)
    throw new GatewayError('NotImplemented')
  },
})
`
}

// It fails until somebody writes down what the operation promises.
function testText(name: string): string {
  return `import { expect, test } from 'vitest'

test('${name} keeps a promise that is written here', () => {
  expect.fail('Say what ${name} does, and test it.')
})
`
}

function withLines(index: string, variable: string, base: string): string {
  const lines = index.split('\n')
  const importLine = `import { ${variable} } from './${base}.ts'`
  insert(lines, importLine, (line) => /^import \{ \w+ \} from '\.\/(.*)\.ts'$/.exec(line)?.[1], base)
  insert(lines, `  ${variable},`, (line) => /^ {2}(\w+),$/.exec(line)?.[1], variable)
  return lines.join('\n')
}

/** Before the first line of its kind that sorts after it, else behind the last one. */
function insert(lines: string[], line: string, keyOf: (line: string) => string | undefined, key: string): void {
  const after = lines.findIndex((candidate) => (keyOf(candidate) ?? '') > key)
  const last = lines.findLastIndex((candidate) => keyOf(candidate) !== undefined)
  if (last === -1) throw new Error('operations/index.ts does not look as expected; add the operation there by hand.')
  lines.splice(after === -1 ? last + 1 : after, 0, line)
}

if (import.meta.main) {
  const directory = join(dirname(fileURLToPath(import.meta.url)), '../gateway/operations')
  const name = process.argv[2] ?? ''
  try {
    const index = join(directory, 'index.ts')
    const written = newOperation(name, readFileSync(index, 'utf8'))
    const [file, test] = [`${fileNameOf(name)}.ts`, `${fileNameOf(name)}.test.ts`].map((base) => join(directory, base))
    for (const path of [file, test]) {
      if (path !== undefined && existsSync(path)) throw new Error(`${path} is there already.`)
    }
    writeFileSync(file ?? '', written.file, { flag: 'wx' })
    writeFileSync(test ?? '', written.test, { flag: 'wx' })
    writeFileSync(index, written.index)
    process.stdout.write(`${file}\n${test}\n${index}\n`)
    if (readFileSync(join(directory, 'fixed-answers.ts'), 'utf8').includes(`'${name}'`)) {
      process.stdout.write(`Take ${name} out of fixed-answers.ts, which answers for it so far.\n`)
    }
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`)
    process.exit(1)
  }
}
