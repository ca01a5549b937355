import { readFile } from 'node:fs/promises'
import { Argument, InvalidArgumentError, Option } from 'commander'
import { fileError } from '../../client/files.ts'
import { write } from '../io.ts'
import type { Verb } from '../noun.ts'
import { ifMatchOption } from '../options.ts'
import type { Session } from '../session.ts'

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

/** Unlike a URL, a path cannot lead a client certificate to another server. */
const readPath = (text: string): string => {
  const path = text.startsWith('/') ? text : `/${text}`
  if (!/^\/[!-~]*$/.test(path) || text.includes('://'))
    throw new InvalidArgumentError('Expected a path such as /v1/whoami.')
  return path
}

const readInput = async (session: Session, file: string): Promise<Buffer> => {
  if (file !== '-') {
    try {
      return await readFile(file)
    } catch (error) {
      throw fileError(`cannot read the input ${file}`, error)
    }
  }
  const chunks: Buffer[] = []
  for await (const chunk of session.io.stdin) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

/** Any call of the HTTP API, as it is. */
export const apiVerb = (session: Session): Verb => ({
  name: 'api',
  summary: 'call the HTTP API and print its answer',
  description:
    'Prints the answer as JSON (as YAML with -o yaml, on one line with -o jsonl), or as it came when it is something else. A refusal ends like that of any other command.',
  arguments: [
    new Argument('<method>', 'HTTP method').argParser((text) => {
      const method = text.toUpperCase()
      if (!(methods as readonly string[]).includes(method))
        throw new InvalidArgumentError(`Expected ${methods.join(', ')}.`)
      return method
    }),
    new Argument('<path>', 'from the root, query included').argParser(readPath),
  ],
  options: [
    new Option('--input <file>', 'body to send, JSON; - is stdin'),
    new Option('--idempotency-key <key>', 'instead of a random one, for POST'),
    ifMatchOption(),
  ],
  examples: [
    'airunner api GET /v1/whoami',
    "airunner api GET '/v1/principals?type=worker&limit=2'",
    'echo \'{"reason":"on leave"}\' | airunner api POST /v1/principals/ops/suspend --input -',
  ],
  run: async ({ arguments: [method, path], options }) => {
    const body = options.input === undefined ? undefined : await readInput(session, options.input)
    const client = await session.connect()
    const headers = {
      accept: '*/*',
      ...(options.idempotencyKey === undefined ? {} : { 'idempotency-key': options.idempotencyKey as string }),
      ...(options.ifMatch === undefined ? {} : { 'if-match': options.ifMatch as string }),
    }
    const answer = await client.callOrThrow({
      method: method as string,
      path: path as string,
      headers,
      ...(body === undefined ? {} : { body }),
    })
    let document: unknown
    try {
      document = JSON.parse(answer.body.toString('utf8'))
    } catch {
      return write(session.io.stdout, answer.body.toString('utf8'))
    }
    await session.print().document(document)
  },
})
