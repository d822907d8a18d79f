import { readFile } from 'node:fs/promises'
import { text as textOf } from 'node:stream/consumers'
import { Command } from 'commander'
import { groupPolicyStore } from '#auth'
import { CommandError } from './command-error.ts'
import { expected } from './expected.ts'
import { withOperator } from './operator.ts'
import { type PlaceOptions, withPlace } from './place.ts'
import { printTable } from './table.ts'

export const policiesCommand = new Command('policies').description(
  'policies of groups: what their members may do, in all buckets',
)

withPlace(policiesCommand.command('put'))
  .argument('<name>')
  .argument('<file>', 'the document, in the language of AWS without a Principal; - is standard input')
  .description('store a policy, or replace it for the groups that have it')
  .action(async (name: string, file: string, options: PlaceOptions) => {
    const text = file === '-' ? await textOf(process.stdin) : await readFile(file, 'utf8')
    await withOperator(options, ({ policiesDirectory }) =>
      expected(() => groupPolicyStore(policiesDirectory).put(name, text)),
    )
  })

withPlace(policiesCommand.command('attach'))
  .argument('<name>')
  .argument('<group>', 'its name, or its SID in a Windows domain')
  .description('give a group a policy')
  .action(async (name: string, group: string, options: PlaceOptions) => {
    await withOperator(options, async ({ directory, policiesDirectory }) => {
      const found = await directory.users.findGroup(group)
      if (found === undefined) throw new CommandError(`There is no group ${group}; check the spelling.`)
      if (!(await expected(() => groupPolicyStore(policiesDirectory).attach(name, found)))) throw unknownPolicy(name)
    })
  })

withPlace(policiesCommand.command('detach'))
  .argument('<name>')
  .argument('<group>', 'as `policies list` shows it: the name or the SID')
  .description('take a policy from a group')
  .action(async (name: string, group: string, options: PlaceOptions) => {
    await withOperator(options, async ({ policiesDirectory }) => {
      if (await expected(() => groupPolicyStore(policiesDirectory).detach(name, group))) return
      throw new CommandError(
        `The policy ${name} is not attached to ${group}; \`causeway policies list\` shows what is attached.`,
      )
    })
  })

withPlace(policiesCommand.command('list'))
  .description('all policies, and the groups that have them')
  .action(async (options: PlaceOptions) => {
    await withOperator(options, async ({ policiesDirectory }) => {
      const policies = await expected(() => groupPolicyStore(policiesDirectory).list())
      printTable(
        ['POLICY', 'GROUP', 'SID'],
        policies.flatMap(({ name, attachments }) =>
          attachments.length === 0
            ? [[name, '-', '-']]
            : attachments.map(({ group, sid }) => [name, group, sid ?? '-']),
        ),
      )
    })
  })

withPlace(policiesCommand.command('remove'))
  .argument('<name>')
  .description('remove a policy that no group has')
  .action(async (name: string, options: PlaceOptions) => {
    await withOperator(options, async ({ policiesDirectory }) => {
      const outcome = await expected(() => groupPolicyStore(policiesDirectory).remove(name))
      if (outcome === 'unknown') throw unknownPolicy(name)
      if (outcome === 'attached') {
        throw new CommandError(
          `The policy ${name} is attached to groups; take it from them first with \`causeway policies detach\`.`,
        )
      }
    })
  })

function unknownPolicy(name: string): CommandError {
  return new CommandError(`There is no policy ${name}; \`causeway policies list\` shows those there are.`)
}
