import { randomUUID } from 'node:crypto'
import { retryAfterOf } from '../client/backoff.ts'
import { problemOfAnswer } from '../client/problem.ts'
import { type Answer, makeTransport, type Transport, TransportError } from '../client/transport.ts'
import { second } from '../core/time.ts'
import type { Connection } from './connection.ts'
import { type Identity, readIdentity, readTrustBundle } from './credentials.ts'
import { CliError, errorOfProblem, exitCode } from './errors.ts'
import { errorOfTransport } from './failures.ts'
import { type Io, sleep } from './io.ts'

export interface Call {
  method: string
  /** From the root, query included. */
  path: string
  /** An object is sent as JSON; text and bytes are sent as they are. */
  body?: object | string | Uint8Array
  headers?: Record<string, string>
}

type Query = Record<string, string | number | undefined>

/** The HTTP API, as the commands call it. Refusals and failures are thrown as CliErrors. */
export interface Client {
  readonly connection: Connection
  readonly identity: Identity
  /** The answer as it came, whatever its status. */
  call(call: Call): Promise<Answer>
  /** A successful answer as it came. */
  callOrThrow(call: Call): Promise<Answer>
  /** The document of a successful answer. */
  send<T>(call: Call): Promise<T>
  get<T>(path: string, query?: Query): Promise<T>
  /** All records of a listing, page after page, `limit` of them at most. */
  pages<T>(path: string, query: Query, limit?: number): AsyncGenerator<T>
  close(): void
}

const maxTries = 3
/** No try begins later than this after the first. */
const retryWindow = 10 * second
const firstDelay = 250
const pageSize = 500

/** `{a: 1}` as `?a=1`, undefined values left out. */
export const queryText = (query: Query = {}): string => {
  const pairs = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]))
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs as [string, string][])}`
}

/** A call that may be sent again without harm: repeated, it has the effect of one. */
const repeatable = (call: Call, headers: Record<string, string>): boolean => {
  if (call.method === 'POST') return headers['idempotency-key'] !== undefined
  // A stale version is refused, so the second of two could not be told from a lost race.
  return headers['if-match'] === undefined
}

const encodeBody = (body: Call['body']): { text?: string | Buffer; type: Record<string, string> } => {
  if (body === undefined) return { type: {} }
  const type = { 'content-type': 'application/json' }
  if (typeof body === 'string') return { text: body, type }
  return { text: body instanceof Uint8Array ? Buffer.from(body) : JSON.stringify(body), type }
}

export interface ClientOptions {
  connection: Connection
  io: Io
  timeout: number
  /** Says on stderr that something is tried again. */
  note(text: string): Promise<void>
  /** Instead of the connection's own certificate. */
  identity?: Identity
}

/** Reads trust bundle and identity, and gives the client; connects at the first call only. */
export const makeClient = async ({ connection, io, timeout, note, identity }: ClientOptions): Promise<Client> => {
  const { pem } = await readTrustBundle(connection.cacert)
  const own = identity ?? (await readIdentity(connection.client_cert, connection.client_key))
  return clientOver(
    makeTransport({
      server: connection.server,
      ca: pem,
      cert: own.certificatePem,
      key: own.keyPem,
      timeout,
      signal: io.signal,
    }),
    { connection, identity: own, io, note },
  )
}

interface Surroundings {
  connection: Connection
  identity: Identity
  io: Io
  note(text: string): Promise<void>
}

const clientOver = (transport: Transport, { connection, identity, io, note }: Surroundings): Client => {
  const call = async (asked: Call): Promise<Answer> => {
    const { text, type } = encodeBody(asked.body)
    const headers: Record<string, string> = {
      accept: 'application/json',
      'user-agent': 'airunner-cli',
      ...type,
      // One key for all tries: what a lost answer had done is not done twice.
      ...(asked.method === 'POST' ? { 'idempotency-key': randomUUID() } : {}),
      ...asked.headers,
    }
    const started = Date.now()
    const inTime = (wait: number) => Date.now() + wait - started <= retryWindow
    for (let tries = 1; ; tries++) {
      const backoff = firstDelay * 2 ** (tries - 1) * (0.5 + Math.random())
      try {
        const answer = await transport.exchange({
          method: asked.method,
          path: asked.path,
          headers,
          ...(text === undefined ? {} : { body: text }),
        })
        const wait = retryAfterOf(answer)
        if (wait === undefined || tries === maxTries || !inTime(wait) || !repeatable(asked, headers)) return answer
        await note(`the server is busy (${answer.status}); trying again in ${wait / second} s`)
        await sleep(wait, io.signal)
      } catch (error) {
        if (!(error instanceof TransportError)) throw error
        if (error.failure === 'stopped') throw io.signal.reason
        const passing = error.failure === 'cut' || error.failure === 'lost'
        if (!passing || tries === maxTries || !inTime(backoff) || !repeatable(asked, headers))
          throw errorOfTransport(error, connection.server)
        await sleep(backoff, io.signal)
      }
    }
  }

  const callOrThrow = async (asked: Call): Promise<Answer> => {
    const answer = await call(asked)
    if (answer.status < 200 || answer.status > 299) throw errorOfProblem(problemOfAnswer(answer))
    return answer
  }

  const send = async <T>(asked: Call): Promise<T> => {
    const answer = await callOrThrow(asked)
    try {
      return JSON.parse(answer.body.toString('utf8')) as T
    } catch (error) {
      throw new CliError(exitCode.failed, `${connection.server.url} answered something that is not JSON`, {
        why: 'What listens there may not be a control plane.',
        next: 'Check --server.',
        cause: error,
      })
    }
  }

  const get = <T>(path: string, query?: Query): Promise<T> =>
    send<T>({ method: 'GET', path: `${path}${queryText(query)}` })

  async function* pages<T>(path: string, query: Query, limit = Number.POSITIVE_INFINITY): AsyncGenerator<T> {
    let left = limit
    let token: string | undefined
    do {
      const page: { items: T[]; next_page_token?: string } = await get(path, {
        ...query,
        limit: Math.min(pageSize, left),
        page_token: token,
      })
      yield* page.items.slice(0, left)
      left -= page.items.length
      token = page.next_page_token
    } while (token !== undefined && left > 0)
  }

  return { connection, identity, call, callOrThrow, send, get, pages, close: () => transport.close() }
}
