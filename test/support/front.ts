import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Test } from 'tap'

export interface Asked {
  method: string
  path: string
  headers: IncomingMessage['headers']
  body: string
}

export interface Front {
  port: number
  /** What came, in order. */
  asked: Asked[]
  stop(): Promise<void>
}

/** What a server does with a request: answers it, or destroys the socket, which is how answers get lost. */
export type Handler = (asked: Asked, response: ServerResponse, socket: Socket) => void | Promise<void>

/** Chain and key of a server, as its environment holds them. */
export interface FrontMaterial {
  env: { AIRUNNER_SERVER_CERT: string; AIRUNNER_SERVER_KEY: string }
}

/** A TLS server with the name and certificate of the plane's, whose every answer is the test's. */
export const startFront = async (
  t: Pick<Test, 'teardown'>,
  { env }: FrontMaterial,
  handle: Handler,
): Promise<Front> => {
  const asked: Asked[] = []
  const server = createServer(
    { cert: env.AIRUNNER_SERVER_CERT, key: env.AIRUNNER_SERVER_KEY, minVersion: 'TLSv1.3' },
    (request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('error', () => {})
      request.on('end', () => {
        const call = {
          method: request.method ?? '',
          path: request.url ?? '',
          headers: request.headers,
          body: Buffer.concat(chunks).toString('utf8'),
        }
        asked.push(call)
        void handle(call, response, request.socket)
      })
    },
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  t.teardown(stop)
  return { port: (server.address() as AddressInfo).port, asked, stop }
}

export const answerJson = (response: ServerResponse, status: number, body: unknown, headers: object = {}): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(body))
}
