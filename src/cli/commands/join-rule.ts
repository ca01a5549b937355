import { Argument, InvalidArgumentError, Option } from 'commander'
import type { JoinRule, JoinRuleTest } from '../../wire/join-rules.ts'
import { readDocument } from '../document.ts'
import { CliError, exitCode } from '../errors.ts'
import type { Verb } from '../noun.ts'
import { limitOption, yesOption } from '../options.ts'
import { confirm } from '../prompt.ts'
import type { Session } from '../session.ts'
import { joinRuleTestView, joinRuleView } from '../views.ts'

const collection = '/v1/join-rules'

const idArgument = () =>
  new Argument('<id>', 'id of the rule').argParser((text) => {
    if (!/^[0-9a-f]{32}$/.test(text))
      throw new InvalidArgumentError('An id has 32 hex digits; `airunner join-rule list` shows them.')
    return text
  })
const fileOption = (what: string) =>
  new Option('-f, --file <file>', `${what}, YAML or JSON; - is stdin`).makeOptionMandatory()

const create = (session: Session): Verb => ({
  name: 'create',
  summary: 'let machines join by the identity that their platform gives them',
  description:
    'The oldest rule that matches decides, so a new one comes last. docs/joining.md has rules for AWS, GitHub Actions, GitLab and Kubernetes.',
  options: [fileOption('the rule')],
  examples: ['airunner join-rule create -f github-actions.yaml'],
  run: async ({ options }) => {
    const body = await readDocument(session.io, options.file as string, 'join rule')
    const client = await session.connect()
    const rule = await client.send<JoinRule>({ method: 'POST', path: collection, body })
    await session.print().record(joinRuleView, rule)
    await session.note(`Created ${rule.join_rule_id}. \`airunner join-rule test -f FILE\` says whom it lets in.`)
  },
})

const list = (session: Session): Verb => ({
  name: 'list',
  summary: 'list join rules in the order in which they are asked',
  options: [limitOption()],
  examples: ['airunner join-rule list', 'airunner join-rule list -o yaml'],
  run: async ({ options }) => {
    const client = await session.connect()
    await session.print().list(joinRuleView, client.pages<JoinRule>(collection, {}, options.limit))
  },
})

const get = (session: Session): Verb => ({
  name: 'get',
  summary: 'show a join rule',
  arguments: [idArgument()],
  examples: ['airunner join-rule get 0197a1c2d3e47f5081728394a5b6c7d8 -o yaml'],
  run: async ({ arguments: [id] }) => {
    const client = await session.connect()
    await session.print().record(joinRuleView, await client.get<JoinRule>(`${collection}/${id}`))
  },
})

const remove = (session: Session): Verb => ({
  name: 'delete',
  summary: 'delete a join rule; who has joined by it stays, and cannot rejoin by it',
  arguments: [idArgument()],
  options: [yesOption()],
  examples: ['airunner join-rule delete 0197a1c2d3e47f5081728394a5b6c7d8'],
  run: async ({ arguments: [id], options }) => {
    await confirm(session.io, `Delete the join rule ${id} for good`, options.yes === true)
    const client = await session.connect()
    const rule = await client.send<JoinRule>({ method: 'DELETE', path: `${collection}/${id}` })
    await session.print().record(joinRuleView, rule)
    await session.note(`Deleted ${rule.join_rule_id}.`)
  },
})

const test = (session: Session): Verb => ({
  name: 'test',
  summary: 'ask what the join rules would make of a machine',
  description:
    'The file says `method` and `attributes`: the claims of a token, or account_id, role_name and session_name. Nothing is proven and nobody joins. Exit 1 when it would not join.',
  options: [fileOption('what the proof would say')],
  examples: ['airunner join-rule test -f machine.yaml'],
  run: async ({ options }) => {
    const body = await readDocument(session.io, options.file as string, 'machine')
    const client = await session.connect()
    const answer = await client.send<JoinRuleTest>({ method: 'POST', path: `${collection}/test`, body })
    await session.print().record(joinRuleTestView, answer)
    if (!answer.would_join)
      throw new CliError(exitCode.failed, 'it would not join', {
        why:
          answer.join_rule_id === undefined
            ? 'No join rule matches; the reason of each is above.'
            : (answer.reasons.at(-1)?.reason ?? ''),
      })
  },
})

export const joinRuleVerbs = (session: Session): Verb[] => [
  create(session),
  list(session),
  get(session),
  remove(session),
  test(session),
]
