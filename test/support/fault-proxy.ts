import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** What happens to a call: `pass` is the rest. */
export type Fault =
  | { kind: 'pass' }
  /** The connection breaks before the store sees the call. */
  | { kind: 'refuse' }
  | { kind: 'slow'; milliseconds: number }
  /** The store does it at once, and its answer takes its time. */
  | { kind: 'slow-answer'; milliseconds: number }
  | { kind: 'throttle' }
  | { kind: 'conflict' }
  /** The store does it, and nobody hears of it. */
  | { kind: 'lose-answer' }
  /** The store does it, and the answer never comes. */
  | { kind: 'hang-answer' }

export interface FaultProxy {
  endpoint: string
  /** Decides about each call by its operation, e.g. `TransactWriteItems`. */
  decide: (operation: string) => Fault
  /** Told of each call that comes by, with its body. */
  onCall: (operation: string, body: string) => void
  /** How many calls of each operation came by. */
  calls: Map<string, number>
  stop(): Promise<void>
}

const answer = (response: ServerResponse, status: number, body: unknown): void => {
  const text = JSON.stringify(body)
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0', date: new Date().toUTCString() })
  response.end(text)
}

const bodyOf = async (message: IncomingMessage): Promise<Buffer> => {
  const parts: Buffer[] = []
  for await (const part of message) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

/** Stands in front of the real embedded store and makes it a bad one. */
export const startFaultProxy = async (target: string): Promise<FaultProxy> => {
  const agent = new Agent({ keepAlive: true })
  const sockets = new Set<Socket>()

  const forward = (incoming: IncomingMessage, body: Buffer): Promise<{ response: IncomingMessage; body: Buffer }> =>
    new Promise((resolve, reject) => {
      const outgoing = request(target, { method: incoming.method ?? 'POST', headers: incoming.headers, agent })
      outgoing.on('error', reject)
      outgoing.on('response', (response) => {
        bodyOf(response).then((answered) => resolve({ response, body: answered }), reject)
      })
      outgoing.end(body)
    })

  const serve = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const operation = String(incoming.headers['x-amz-target'] ?? '').split('.')[1] ?? ''
    proxy.calls.set(operation, (proxy.calls.get(operation) ?? 0) + 1)
    const fault = proxy.decide(operation)
    const body = await bodyOf(incoming)
    proxy.onCall(operation, body.toString())
    if (fault.kind === 'refuse') return void incoming.socket.destroy()
    if (fault.kind === 'slow') await new Promise((resolve) => setTimeout(resolve, fault.milliseconds))
    if (fault.kind === 'throttle')
      return answer(response, 400, {
        __type: 'com.amazonaws.dynamodb.v20120810#ThrottlingException',
        message: 'slow down',
      })
    if (fault.kind === 'conflict') {
      const { TransactItems = [{}] } = JSON.parse(body.toString()) as { TransactItems?: unknown[] }
      return answer(response, 400, {
        __type: 'com.amazonaws.dynamodb.v20120810#TransactionCanceledException',
        Message: 'Transaction cancelled [TransactionConflict]',
        CancellationReasons: TransactItems.map((_, i) => ({ Code: i === 0 ? 'TransactionConflict' : 'None' })),
      })
    }
    const done = await forward(incoming, body)
    if (fault.kind === 'lose-answer') return void incoming.socket.destroy()
    if (fault.kind === 'hang-answer') return
    if (fault.kind === 'slow-answer') await new Promise((resolve) => setTimeout(resolve, fault.milliseconds))
    response.writeHead(done.response.statusCode ?? 500, done.response.headers)
    response.end(done.body)
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
  const proxy: FaultProxy = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    decide: () => ({ kind: 'pass' }),
    onCall: () => undefined,
    calls: new Map(),
    stop: async () => {
      agent.destroy()
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return proxy
}
