import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** What happens to a call: `pass` is the rest. */
export type AwsFault =
  | { kind: 'pass' }
  /** The connection breaks. */
  | { kind: 'refuse' }
  | { kind: 'hang' }
  | { kind: 'slow'; milliseconds: number }
  /** An error of the service, by its name in the documentation. */
  | { kind: 'error'; name: string; status?: number }
  | { kind: 'body'; text: string }

/** One AWS service on this machine, as far as somebody here asks it. */
export interface AwsService {
  endpoint: string
  /** For a client of the SDK. */
  client: { endpoint: string; region: string; credentials: { accessKeyId: string; secretAccessKey: string } }
  /** Decides about each call by its operation, e.g. `Sign`. */
  decide: (operation: string) => AwsFault
  /** How many calls of each operation came by. */
  calls: Map<string, number>
  stop(): Promise<void>
}

/** An error that an operation means. */
export class AwsError extends Error {
  constructor(name: string) {
    super(`${name} of the stand-in`)
    this.name = name
  }
}

export type Operations = Record<string, (input: Record<string, unknown>) => Record<string, unknown>>

const bodyOf = async (message: IncomingMessage): Promise<string> => {
  const parts: Buffer[] = []
  for await (const part of message) parts.push(part as Buffer)
  return Buffer.concat(parts).toString()
}

const send = (response: ServerResponse, status: number, text: string): void => {
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1', date: new Date().toUTCString() })
  response.end(text)
}

/** Speaks the JSON protocol of AWS on a free port of the loopback, with faults on demand. */
export const startAwsService = async (operations: Operations): Promise<AwsService> => {
  const sockets = new Set<Socket>()
  const pending = new Set<NodeJS.Timeout>()

  const serve = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const operation = String(incoming.headers['x-amz-target'] ?? '').split('.')[1] ?? ''
    service.calls.set(operation, (service.calls.get(operation) ?? 0) + 1)
    const fault = service.decide(operation)
    const text = await bodyOf(incoming)
    if (fault.kind === 'refuse') return void incoming.socket.destroy()
    if (fault.kind === 'hang') return
    if (fault.kind === 'slow')
      await new Promise<void>((resolve) => {
        const timer = setTimeout(() => {
          pending.delete(timer)
          resolve()
        }, fault.milliseconds)
        pending.add(timer)
      })
    if (fault.kind === 'body') return send(response, 200, fault.text)
    const fail = (name: string, status = 400) =>
      send(response, status, JSON.stringify({ __type: name, message: `${name} of the stand-in` }))
    if (fault.kind === 'error') return fail(fault.name, fault.status)
    try {
      const run = operations[operation]
      if (run === undefined) throw new AwsError('UnknownOperationException')
      send(response, 200, JSON.stringify(run(JSON.parse(text))))
    } catch (error) {
      fail((error as Error).name)
    }
  }

  const server = createServer((incoming, response) => {
    serve(incoming, response).catch(() => incoming.socket.destroy())
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
  const service: AwsService = {
    endpoint,
    client: { endpoint, region: 'us-east-1', credentials },
    decide: () => ({ kind: 'pass' }),
    calls: new Map(),
    stop: async () => {
      for (const timer of pending) clearTimeout(timer)
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return service
}
