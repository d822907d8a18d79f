import { Command } from 'commander'
import { withOperator } from './operator.ts'
import { type PlaceOptions, withPlace } from './place.ts'

/** Of one kind no more lines than this are printed; all are counted. */
const LINES_PER_KIND_MAX = 1000

export const checkCommand = withPlace(new Command('check'))
  .description('walk the tree and report whatever does not fit the format; exit code 1 while something is left')
  .option('--repair', "mend what can be mended without losing anybody's bytes")
  .option('--bucket <name>', 'only this bucket')
  .action(async (options: PlaceOptions & { readonly repair?: boolean; readonly bucket?: string }) => {
    await withOperator(options, async ({ namespace }) => {
      const found = new Map<string, { total: number; repaired: number }>()
      for await (const finding of namespace.check({ repair: options.repair ?? false, bucket: options.bucket })) {
        const count = found.get(finding.kind) ?? { total: 0, repaired: 0 }
        count.total++
        if (finding.repaired) count.repaired++
        found.set(finding.kind, count)
        if (count.total > LINES_PER_KIND_MAX) continue
        const where = [finding.bucket, finding.path].filter((part) => part !== '').join('/')
        // A name on disk may hold anything, a terminal's escape codes too.
        process.stdout.write(`${printable(where)}: ${finding.message}${finding.repaired ? ' Repaired.' : ''}\n`)
      }
      process.stdout.write(summary(found, options.repair ?? false))
      // A name that S3 does not show harms nobody: files of other programs may have any name.
      const left = [...found].filter(([kind, { total, repaired }]) => kind !== 'name-without-key' && repaired < total)
      if (left.length > 0) process.exitCode = 1
    })
  })

function summary(
  found: ReadonlyMap<string, { readonly total: number; readonly repaired: number }>,
  repair: boolean,
): string {
  if (found.size === 0) return 'The tree fits the format.\n'
  const rows = [...found].map(
    ([kind, { total, repaired }]) => `${total} ${kind}${repair ? ` (${repaired} repaired)` : ''}`,
  )
  return `${rows.join(', ')}${repair ? '' : '; --repair mends what can be mended'}\n`
}

function printable(text: string): string {
  return text.replace(
    /[\x00-\x1f\x7f-\x9f]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}
