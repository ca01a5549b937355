import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileMode, makeDirectory, readTextIfThere, writeFileAtomic } from '../client/files.ts'
import { configurationError } from './errors.ts'

/** Where one plane is reached and as whom; files by absolute path. */
export interface ContextEntry {
  server?: string
  cacert?: string
  client_cert?: string
  client_key?: string
}
const entryKeys = ['server', 'cacert', 'client_cert', 'client_key'] as const

/** The file `config.yaml`, shared by all programs that know contexts. */
export interface ContextFile {
  current_context?: string
  contexts: Record<string, ContextEntry>
}

/** Where contexts are kept. @see XDG Base Directory Specification */
export const contextPath = (env: Record<string, string | undefined>): string => {
  const base = env['XDG_CONFIG_HOME'] || join(env['HOME'] || homedir(), '.config')
  return resolve(base, 'airunner', 'config.yaml')
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const readEntry = (name: string, value: unknown, path: string): ContextEntry => {
  if (!isRecord(value)) throw configurationError(`the context ${name} in ${path} is not a map`)
  const entry: ContextEntry = {}
  for (const key of entryKeys) {
    const field = value[key]
    if (field === undefined || field === null) continue
    if (typeof field !== 'string') throw configurationError(`${key} of the context ${name} in ${path} is not a text`)
    entry[key] = field
  }
  return entry
}

/** All contexts; none when there is no file yet. Keys that this release does not know are kept out of the way. */
export const readContexts = async (env: Record<string, string | undefined>): Promise<ContextFile> => {
  const path = contextPath(env)
  const text = await readTextIfThere(path)
  if (text === undefined) return { contexts: {} }
  const { parse } = await import('yaml')
  let document: unknown
  try {
    document = parse(text)
  } catch (error) {
    throw configurationError(`cannot read the contexts in ${path}`, {
      why: (error as Error).message.split('\n')[0] as string,
      next: `Mend or remove ${path}.`,
      cause: error,
    })
  }
  if (document === null || document === undefined) return { contexts: {} }
  if (!isRecord(document) || (document['contexts'] !== undefined && !isRecord(document['contexts'])))
    throw configurationError(`${path} does not hold contexts`, {
      why: 'Expected a map with current_context and contexts.',
      next: `Mend or remove ${path}.`,
    })
  const current = document['current_context']
  const contexts: Record<string, ContextEntry> = {}
  for (const [name, value] of Object.entries(document['contexts'] ?? {})) contexts[name] = readEntry(name, value, path)
  return { ...(typeof current === 'string' ? { current_context: current } : {}), contexts }
}

/** Replaces the file; its directory and it are the owner's alone. */
export const writeContexts = async (env: Record<string, string | undefined>, file: ContextFile): Promise<void> => {
  const { stringify } = await import('yaml')
  const path = contextPath(env)
  await makeDirectory(dirname(path))
  await writeFileAtomic(path, stringify(file), fileMode.secret)
}

/** The context of that name, or a refusal that lists those there are. */
export const findContext = (file: ContextFile, name: string): ContextEntry => {
  const entry = Object.hasOwn(file.contexts, name) ? file.contexts[name] : undefined
  if (entry === undefined) {
    const names = Object.keys(file.contexts)
    throw configurationError(`there is no context ${name}`, {
      why: names.length === 0 ? 'No context was added yet.' : `There are: ${names.join(', ')}.`,
      next: '`airunner context add NAME --server URL --cacert FILE --client-cert FILE --client-key FILE` adds one.',
    })
  }
  return entry
}
