import { Argument, Option } from 'commander'
import { type PrincipalStatus, type PrincipalType, principalStatuses, principalTypes } from '../../core/principal.ts'
import type { CreatePrincipal, Principal, UpdatePrincipal } from '../../wire/principals.ts'
import { usageError } from '../errors.ts'
import type { Verb } from '../noun.ts'
import {
  collect,
  collectPair,
  ifMatchOption,
  limitOption,
  makeReadInteger,
  readPrincipalId,
  yesOption,
} from '../options.ts'
import { confirm } from '../prompt.ts'
import type { Session } from '../session.ts'
import { principalView } from '../views.ts'

const collection = '/v1/principals'
const pathOf = (id: string, action = ''): string => `${collection}/${encodeURIComponent(id)}${action}`

const idArgument = () => new Argument('<id>', 'id of the principal').argParser(readPrincipalId)
const reasonTextOption = () => new Option('--reason <text>', 'why; it is kept and audited').makeOptionMandatory()

const emailOption = () => new Option('--email <address>', 'whom to write to')
const descriptionOption = () => new Option('--description <text>', 'what it is for')
const quotaOption = () =>
  new Option('--max-certificates <count>', 'how many certificates it may hold, 1 to 10').argParser(
    makeReadInteger(1, 10),
  )
const metadataOption = (what: string) => new Option('--metadata <key=value>', what).argParser(collectPair)

const clearable = ['email', 'description', 'max_certificates', 'metadata'] as const

interface DetailFlags {
  email?: string
  description?: string
  maxCertificates?: number
  metadata?: Record<string, string>
}

/** The fields of a body that were given as flags. */
const detailsOf = ({ email, description, maxCertificates, metadata }: DetailFlags) => ({
  ...(email === undefined ? {} : { email }),
  ...(description === undefined ? {} : { description }),
  ...(maxCertificates === undefined ? {} : { max_certificates: maxCertificates }),
  ...(metadata === undefined ? {} : { metadata }),
})

const matchOf = ({ ifMatch }: { ifMatch?: string }): { headers?: Record<string, string> } =>
  ifMatch === undefined ? {} : { headers: { 'if-match': ifMatch } }

const create = (session: Session): Verb => ({
  name: 'create',
  summary: 'register a principal',
  arguments: [idArgument()],
  options: [
    new Option('--type <type>', 'what it is').choices([...principalTypes]).makeOptionMandatory(),
    emailOption(),
    descriptionOption(),
    quotaOption(),
    metadataOption('a note about it; repeat for more'),
  ],
  examples: [
    'airunner principal create build-7 --type worker --description "build machine" --metadata rack=b12',
    'airunner principal create ops --type admin --email ops@example.com',
  ],
  run: async ({ arguments: [id], options }) => {
    const body: CreatePrincipal = {
      principal_id: id as string,
      type: options.type as PrincipalType,
      ...detailsOf(options),
    }
    const client = await session.connect()
    const principal = await client.send<Principal>({ method: 'POST', path: collection, body })
    await session.print().record(principalView, principal)
    await session.note(
      `Created ${principal.type} ${principal.principal_id}. \`airunner certificate generate ${principal.principal_id} --output-dir DIR\` gives it a certificate.`,
    )
  },
})

const list = (session: Session): Verb => ({
  name: 'list',
  summary: 'list principals',
  options: [
    new Option('--status <status>', 'only those').choices([...principalStatuses]),
    new Option('--type <type>', 'only those').choices([...principalTypes]),
    limitOption(),
  ],
  examples: ['airunner principal list --status active', 'airunner principals list --type worker -o name'],
  run: async ({ options }) => {
    const client = await session.connect()
    const query = { status: options.status as PrincipalStatus, type: options.type as PrincipalType }
    await session.print().list(principalView, client.pages<Principal>(collection, query, options.limit))
  },
})

const get = (session: Session): Verb => ({
  name: 'get',
  summary: 'show a principal',
  arguments: [idArgument()],
  examples: ['airunner principal get build-7', 'airunner principal get build-7 -o json'],
  run: async ({ arguments: [id] }) => {
    const client = await session.connect()
    await session.print().record(principalView, await client.get<Principal>(pathOf(id as string)))
  },
})

const update = (session: Session): Verb => ({
  name: 'update',
  summary: 'change what is noted about a principal',
  description:
    'Only the fields that are named change; --metadata replaces all pairs. A lower --max-certificates blocks new certificates and revokes none.',
  arguments: [idArgument()],
  options: [
    emailOption(),
    descriptionOption(),
    quotaOption(),
    metadataOption('a pair of the new metadata; repeat for more'),
    new Option('--clear <field>', 'empty a field; repeat for more')
      .choices([...clearable])
      .argParser<string[]>((text, earlier) => {
        if (!(clearable as readonly string[]).includes(text))
          throw usageError(`--clear ${text} names no field that can be cleared`, `There are: ${clearable.join(', ')}.`)
        return collect(text, earlier)
      }),
    ifMatchOption(),
  ],
  examples: [
    'airunner principal update build-7 --max-certificates 5',
    'airunner principal update build-7 --clear email --if-match 3',
  ],
  run: async ({ arguments: [id], options }) => {
    const cleared = (options.clear ?? []) as (typeof clearable)[number][]
    const given = detailsOf(options)
    const both = cleared.find((field) => field in given)
    if (both !== undefined) throw usageError(`${both} is both given and cleared`)
    const body: UpdatePrincipal = { ...given, ...Object.fromEntries(cleared.map((field) => [field, null])) }
    if (Object.keys(body).length === 0)
      throw usageError('nothing to change', 'Give --email, --description, --max-certificates, --metadata or --clear.')
    const client = await session.connect()
    const principal = await client.send<Principal>({
      method: 'PATCH',
      path: pathOf(id as string),
      body,
      ...matchOf(options),
    })
    await session.print().record(principalView, principal)
  },
})

const suspend = (session: Session): Verb => ({
  name: 'suspend',
  summary: 'shut a principal out until it is activated again',
  description: 'All its connections are cut, on every server. Its certificates stay as they are.',
  arguments: [idArgument()],
  options: [reasonTextOption(), ifMatchOption(), yesOption()],
  examples: ['airunner principal suspend build-7 --reason "disk stolen"'],
  run: async ({ arguments: [id], options }) => {
    await confirm(session.io, `Suspend ${id} and cut its connections`, options.yes === true)
    const client = await session.connect()
    const body = { reason: options.reason as string }
    const call = { method: 'POST', path: pathOf(id as string, '/suspend'), body, ...matchOf(options) }
    await session.print().record(principalView, await client.send<Principal>(call))
    await session.note(`${id} is suspended. \`airunner principal activate ${id}\` lifts it.`)
  },
})

const activate = (session: Session): Verb => ({
  name: 'activate',
  summary: 'let a suspended principal in again',
  description: 'Effective within 2 s everywhere. Also lets a principal join again that was barred from it.',
  arguments: [idArgument()],
  options: [ifMatchOption()],
  examples: ['airunner principal activate build-7'],
  run: async ({ arguments: [id], options }) => {
    const client = await session.connect()
    const call = { method: 'POST', path: pathOf(id as string, '/activate'), ...matchOf(options) }
    await session.print().record(principalView, await client.send<Principal>(call))
    await session.note(`${id} is active.`)
  },
})

const remove = (session: Session): Verb => ({
  name: 'delete',
  summary: 'end a principal for good and revoke all its certificates',
  description: 'The record stays, with status deleted, and the id is never given out again.',
  arguments: [idArgument()],
  options: [yesOption()],
  examples: ['airunner principal delete build-7'],
  run: async ({ arguments: [id], options }) => {
    await confirm(session.io, `Delete ${id} for good and revoke all its certificates`, options.yes === true)
    const client = await session.connect()
    const principal = await client.send<Principal>({ method: 'DELETE', path: pathOf(id as string) })
    await session.print().record(principalView, principal)
    await session.note(`${id} is deleted.`)
  },
})

export const principalVerbs = (session: Session): Verb[] => [
  create(session),
  list(session),
  get(session),
  update(session),
  suspend(session),
  activate(session),
  remove(session),
]
