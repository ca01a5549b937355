import { readText } from '../client/files.ts'
import { CliError, exitCode } from './errors.ts'
import type { Io } from './io.ts'

const readAll = async (io: Io): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of io.stdin) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks).toString('utf8')
}

/** Reads one document, YAML or JSON, from a file or, with `-`, from stdin. `what` names it in refusals. */
export const readDocument = async (io: Io, file: string, what: string): Promise<object> => {
  const text = file === '-' ? await readAll(io) : await readText(file, what)
  const refuse = (why: string, cause?: unknown): CliError =>
    new CliError(exitCode.usage, `${file === '-' ? 'stdin' : file} holds no ${what}`, {
      why,
      next: 'Write it as one YAML or JSON object.',
      cause,
    })
  const { parse } = await import('yaml')
  let value: unknown
  try {
    value = parse(text, { maxAliasCount: 0 })
  } catch (error) {
    throw refuse((error as Error).message.split('\n')[0] as string, error)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refuse('It is not an object.')
  return value
}
