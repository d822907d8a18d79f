import { realpath } from 'node:fs/promises'
import { Command } from 'commander'
import type { Owner } from '#namespace'
import { documentsOfNewBucket } from '../new-bucket.ts'
import { CommandError } from './command-error.ts'
import { type Operator, withOperator } from './operator.ts'
import { type PlaceOptions, withPlace } from './place.ts'
import { printTable } from './table.ts'

type OwnerOption = PlaceOptions & { readonly owner: string }

export const bucketsCommand = new Command('buckets').description('buckets, and directories served as buckets')

withPlace(bucketsCommand.command('list'))
  .description('all buckets and where they lie')
  .action(async (options: PlaceOptions) => {
    await withOperator(options, async ({ config, namespace }) => {
      const buckets = await namespace.as(undefined).buckets.list()
      printTable(
        ['BUCKET', 'OWNER', 'CREATED', 'DIRECTORY'],
        buckets.map(({ name, owner, created, mappedPath }) => [
          name,
          owner.displayName,
          created.toISOString(),
          mappedPath ?? `${config.namespace.root}/${name}`,
        ]),
      )
    })
  })

withPlace(bucketsCommand.command('create'))
  .argument('<name>')
  .requiredOption('--owner <user>', 'the user it belongs to')
  .description('make a bucket, a new directory in the tree')
  .action(async (name: string, options: OwnerOption) => {
    await withOperator(options, async (operator) => {
      const owner = await readOwner(operator, options.owner)
      await operator.namespace.as(owner).buckets.create(name, documentsOfNewBucket(operator.config.s3))
    })
  })

withPlace(bucketsCommand.command('map'))
  .argument('<name>')
  .argument('<directory>')
  .requiredOption('--owner <user>', 'the user it belongs to')
  .description('serve an existing directory as a bucket, in place: nothing is copied or moved')
  .action(async (name: string, directory: string, options: OwnerOption) => {
    await withOperator(options, async (operator) => {
      const owner = await readOwner(operator, options.owner)
      const documents = documentsOfNewBucket(operator.config.s3)
      await operator.namespace.as(undefined).buckets.map(name, await realpath(directory), owner, documents)
    })
  })

withPlace(bucketsCommand.command('unmap'))
  .argument('<name>')
  .description('stop serving a mapped directory; its files stay as they are')
  .action(async (name: string, options: PlaceOptions) => {
    await withOperator(options, async ({ namespace }) => namespace.as(undefined).buckets.unmap(name))
  })

async function readOwner({ config, directory }: Operator, name: string): Promise<Owner> {
  const user = await directory.users.findByName(name)
  if (user === undefined) {
    const remedy = config.identity.provider === 'local' ? `\`causeway keys create ${name}\` adds one, or ` : ''
    throw new CommandError(`There is no user ${name}; ${remedy}check the spelling.`)
  }
  return { canonicalId: user.canonicalId, displayName: user.displayName }
}
