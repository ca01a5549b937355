import { Argument, InvalidArgumentError, Option } from 'commander'
import { type PrincipalType, principalTypes } from '../../core/principal.ts'
import type { CreatedJoinToken, CreateJoinToken, JoinToken } from '../../wire/join-tokens.ts'
import { CliError, exitCode } from '../errors.ts'
import type { Verb } from '../noun.ts'
import { collectPair, limitOption, makeReadInteger, readPrincipalId, readSeconds } from '../options.ts'
import type { Session } from '../session.ts'
import { joinTokenView } from '../views.ts'

const collection = '/v1/join-tokens'

const readTokenId = (text: string): string => {
  if (text.startsWith('airj_'))
    throw new InvalidArgumentError('That is the secret, not the id; `airunner token list` shows the ids.')
  if (!/^[0-9a-f]{32}$/.test(text))
    throw new InvalidArgumentError('An id has 32 hex digits; `airunner token list` shows them.')
  return text
}

const create = (session: Session): Verb => ({
  name: 'create',
  summary: 'make a secret by which a new machine joins, and the line that it runs',
  description:
    'The secret is shown once: the server keeps only its hash. Without --id and --id-prefix, ids begin with the type. With --rejoin, a machine that has lost its certificate may come back under its name, which ends what it held before.',
  options: [
    new Option('--type <type>', 'what the machine becomes').choices([...principalTypes]).makeOptionMandatory(),
    new Option('--id <id>', 'the one principal that it makes').argParser(readPrincipalId).conflicts('idPrefix'),
    new Option('--id-prefix <prefix>', 'how the ids begin that it makes'),
    new Option('--ttl <time>', 'how long it can be used, up to 7d; an hour otherwise').argParser(readSeconds),
    new Option('--max-uses <count>', 'how many machines may join by it; 1 otherwise').argParser(
      makeReadInteger(1, 1000),
    ),
    new Option('--validity <time>', 'how long their first certificates are good for').argParser(readSeconds),
    new Option('--rejoin', 'a machine may come back by it'),
    new Option('--allow-admin', 'needed for --type admin'),
    new Option('--description <text>', 'what it is for'),
    new Option('--metadata <key=value>', 'a note about each machine; repeat for more').argParser(collectPair),
  ],
  examples: [
    'airunner token create --type worker --id build-7',
    'airunner token create --type worker --id-prefix build- --ttl 12h --max-uses 20 --metadata rack=b12',
    'airunner token create --type worker --id build-7 -o json | jq -r .command',
  ],
  run: async ({ options }) => {
    const body: CreateJoinToken = {
      principal_type: options.type as PrincipalType,
      ...(options.id === undefined ? {} : { principal_id: options.id as string }),
      ...(options.idPrefix === undefined ? {} : { id_prefix: options.idPrefix as string }),
      ...(options.ttl === undefined ? {} : { ttl_seconds: options.ttl as number }),
      ...(options.maxUses === undefined ? {} : { max_uses: options.maxUses as number }),
      ...(options.validity === undefined ? {} : { validity_seconds: options.validity as number }),
      ...(options.rejoin === true ? { rejoin: true } : {}),
      ...(options.allowAdmin === true ? { allow_admin: true } : {}),
      ...(options.description === undefined ? {} : { description: options.description as string }),
      ...(options.metadata === undefined ? {} : { metadata: options.metadata as Record<string, string> }),
    }
    const client = await session.connect()
    const token = await client.send<CreatedJoinToken>({ method: 'POST', path: collection, body })
    if (token.join_token === undefined)
      throw new CliError(exitCode.failed, `the join token ${token.join_token_id} was made, and its secret is lost`, {
        why: 'The answer that had it did not arrive, and it is not given again.',
        next: `End it with \`airunner token revoke ${token.join_token_id}\`, and make another.`,
      })
    await session.print().record(joinTokenView, token)
    await session.note('The secret is not shown again. Run `command` on the new machine.')
  },
})

const list = (session: Session): Verb => ({
  name: 'list',
  summary: 'list join tokens, newest first',
  options: [limitOption()],
  examples: ['airunner token list', 'airunner token list -o wide --limit 20'],
  run: async ({ options }) => {
    const client = await session.connect()
    await session.print().list(joinTokenView, client.pages<JoinToken>(collection, {}, options.limit))
  },
})

const revoke = (session: Session): Verb => ({
  name: 'revoke',
  summary: 'end a join token; who has joined by it stays',
  arguments: [new Argument('<id>', 'id of the token').argParser(readTokenId)],
  examples: ['airunner token revoke 0197a1c2d3e47f5081728394a5b6c7d8'],
  run: async ({ arguments: [id] }) => {
    const client = await session.connect()
    const token = await client.send<JoinToken>({ method: 'DELETE', path: `${collection}/${id}` })
    await session.print().record(joinTokenView, token)
    await session.note(`Revoked. ${token.uses} of ${token.max_uses} have joined by it.`)
  },
})

export const tokenVerbs = (session: Session): Verb[] => [create(session), list(session), revoke(session)]
