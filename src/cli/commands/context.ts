import { resolve } from 'node:path'
import { Argument, InvalidArgumentError, Option } from 'commander'
import { type ConnectionSettings, completeConnection, readServer } from '../connection.ts'
import { type ContextEntry, contextPath, findContext, readContexts, writeContexts } from '../context.ts'
import { CliError, exitCode, usageError } from '../errors.ts'
import type { Verb } from '../noun.ts'
import { forceOption } from '../options.ts'
import type { View } from '../output.ts'
import type { Session } from '../session.ts'

const nameArgument = () =>
  new Argument('<name>', 'name of the context').argParser((text) => {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text) || text === '__proto__')
      throw new InvalidArgumentError('A name has up to 64 letters, digits, dots, dashes and underscores.')
    return text
  })

type ContextRow = ContextEntry & { name: string; current: boolean }

const contextView: View<ContextRow> = {
  name: (row) => row.name,
  columns: [
    { title: 'CURRENT', cell: (row) => (row.current ? '*' : ' ') },
    { title: 'NAME', cell: (row) => row.name },
    { title: 'SERVER', cell: (row) => row.server },
    { title: 'CLIENT CERTIFICATE', cell: (row) => row.client_cert },
    { title: 'CLIENT KEY', wide: true, cell: (row) => row.client_key },
    { title: 'TRUST BUNDLE', wide: true, cell: (row) => row.cacert },
  ],
}

const list = (session: Session): Verb => ({
  name: 'list',
  summary: 'list contexts, the current one marked',
  examples: ['airunner context list'],
  run: async () => {
    const file = await readContexts(session.io.env)
    const current = session.io.env['AIRUNNER_CONTEXT'] || file.current_context
    const rows = Object.entries(file.contexts).map(([name, entry]) => ({ name, current: name === current, ...entry }))
    await session.print().list(contextView, rows)
    if (rows.length === 0) await session.note(`No contexts in ${contextPath(session.io.env)}.`)
  },
})

const use = (session: Session): Verb => ({
  name: 'use',
  summary: 'make a context the current one',
  arguments: [nameArgument()],
  examples: ['airunner context use prod'],
  run: async ({ arguments: [name] }) => {
    const file = await readContexts(session.io.env)
    findContext(file, name as string)
    await writeContexts(session.io.env, { ...file, current_context: name as string })
    await session.note(`${name} is the current context.`)
  },
})

const add = (session: Session): Verb => ({
  name: 'add',
  summary: 'add a context from --server, --cacert, --client-cert and --client-key',
  description:
    'The files are named by absolute path and stay where they are. Certificate, key and trust bundle are read once, so that a mistake shows now. The first context becomes the current one.',
  arguments: [nameArgument()],
  options: [new Option('--use', 'make it the current one'), forceOption()],
  examples: [
    'airunner context add prod --server https://airunner.example.com --cacert ca.pem --client-cert cert.pem --client-key key.pem',
  ],
  run: async ({ arguments: [argument], options }) => {
    const name = argument as string
    const flags = session.globals()
    const given: ConnectionSettings = {}
    if (flags.server !== undefined) given.server = { value: flags.server, source: '--server' }
    if (flags.cacert !== undefined) given.cacert = { value: flags.cacert, source: '--cacert' }
    if (flags.clientCert !== undefined) given.client_cert = { value: flags.clientCert, source: '--client-cert' }
    if (flags.clientKey !== undefined) given.client_key = { value: flags.clientKey, source: '--client-key' }
    const missing = (['server', 'cacert', 'client_cert', 'client_key'] as const).filter((key) => !given[key])
    if (missing.length > 0)
      throw usageError(
        `missing ${missing.map((key) => `--${key.replace('_', '-')}`).join(', ')}`,
        'A context has all four.',
      )
    if (given.server) readServer(given.server)
    const connection = completeConnection(given)
    const { readIdentity, readTrustBundle } = await import('../credentials.ts')
    await readTrustBundle(connection.cacert)
    await readIdentity(connection.client_cert, connection.client_key)

    const file = await readContexts(session.io.env)
    if (Object.hasOwn(file.contexts, name) && options.force !== true)
      throw new CliError(exitCode.conflict, `the context ${name} exists already`, {
        next: 'Choose another name, or give --force.',
      })
    const entry: ContextEntry = {
      server: connection.server.url,
      cacert: resolve(connection.cacert),
      client_cert: connection.client_cert,
      client_key: connection.client_key,
    }
    const current = options.use === true ? name : (file.current_context ?? name)
    await writeContexts(session.io.env, {
      current_context: current,
      contexts: { ...file.contexts, [name]: entry },
    })
    await session.note(
      current === name
        ? `Added ${name}; it is the current context.`
        : `Added ${name}. \`airunner context use ${name}\` makes it the current one.`,
    )
  },
})

const remove = (session: Session): Verb => ({
  name: 'remove',
  summary: 'forget a context; its files stay',
  arguments: [nameArgument()],
  examples: ['airunner context remove old'],
  run: async ({ arguments: [name] }) => {
    const file = await readContexts(session.io.env)
    findContext(file, name as string)
    const { [name as string]: _removed, ...contexts } = file.contexts
    const keepsCurrent = file.current_context !== undefined && file.current_context !== name
    await writeContexts(session.io.env, {
      ...(keepsCurrent ? { current_context: file.current_context as string } : {}),
      contexts,
    })
    await session.note(keepsCurrent ? `Removed ${name}.` : `Removed ${name}; no context is the current one.`)
  },
})

export const contextVerbs = (session: Session): Verb[] => [list(session), use(session), add(session), remove(session)]
