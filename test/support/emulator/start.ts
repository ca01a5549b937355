import { Agent, createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { type Ministack, startMinistack } from '../ministack.ts'
import { makeIpv6 } from './ipv6.ts'
import { asApplication, asNetwork } from './network-balancer.ts'

const account = '111122223333'

/** A call of an API that names its operation in a header (DynamoDB, KMS, SSM, Secrets Manager, ECS …). */
export interface Call {
  accessKeyId: string
  /** As AWS has it: `DynamoDB_20120810.GetItem`. */
  target: string
  body: string
  status: number
  /** The name of what went wrong, as `AccessDeniedException`. */
  error?: string
}

export interface Emulator extends Pick<Ministack, 'env' | 'region' | 'endpoint'> {
  account: string
  calls: Call[]
  /** What it lacks and was given. */
  completed: { ipv6: () => number }
  output: Ministack['output']
  stop(): Promise<void>
}

const bodyOf = async (message: IncomingMessage): Promise<Buffer> => {
  const parts: Buffer[] = []
  for await (const part of message) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

/**
 * An AWS that decides by IAM: signatures are checked, and policies of identities, secrets and keys count. In front of it
 * stands a proxy that writes down who called what, and adds what of IPv6 is missing.
 */
export const startEmulator = async (): Promise<Emulator> => {
  const ministack = await startMinistack({
    AUTH: 'true',
    MINISTACK_ACCOUNT_ID: account,
    PYTHONPATH: import.meta.dirname,
  })
  const ipv6 = makeIpv6()
  const calls: Call[] = []
  const agent = new Agent({ keepAlive: true })
  const sockets = new Set<Socket>()

  const forward = (incoming: Pick<IncomingMessage, 'url' | 'method' | 'headers'>, body: Buffer) =>
    new Promise<{ response: IncomingMessage; body: Buffer }>((resolve, reject) => {
      // The host is signed, so it stays as the caller wrote it; packed answers could not be completed.
      const { 'accept-encoding': _, ...headers } = incoming.headers
      const outgoing = request(`${ministack.endpoint}${incoming.url}`, {
        method: incoming.method ?? 'POST',
        headers,
        agent,
      })
      outgoing.on('error', reject)
      outgoing.on('response', (response) => {
        bodyOf(response).then((answered) => resolve({ response, body: answered }), reject)
      })
      outgoing.end(body)
    })

  const server = createServer(async (incoming, response) => {
    try {
      const body = await bodyOf(incoming)
      const call = new URLSearchParams(
        String(incoming.headers['content-type']).startsWith('application/x-www-form-urlencoded') ? body.toString() : '',
      )
      const own = ipv6.answer(call)
      if (own !== undefined) return void response.writeHead(200, { 'content-type': 'text/xml' }).end(own)
      const isOwners = incoming.headers.authorization?.includes(`Credential=${ministack.credentials.accessKeyId}/`)
      const renamed =
        call.has('Action') && isOwners
          ? await asApplication(
              {
                method: 'POST',
                path: '/',
                headers: incoming.headers as Record<string, string>,
                body: body.toString(),
              },
              ministack,
            )
          : undefined
      const answer =
        renamed === undefined
          ? await forward(incoming, body)
          : await forward({ url: '/', method: 'POST', headers: renamed.headers }, Buffer.from(renamed.body))
      const status = answer.response.statusCode ?? 500
      const target = incoming.headers['x-amz-target']
      if (typeof target === 'string')
        calls.push({
          accessKeyId: incoming.headers.authorization?.match(/Credential=([^/]+)/)?.[1] ?? '',
          target,
          body: body.toString(),
          status,
          ...(status < 400
            ? {}
            : { error: /"__type":\s*"(?:[^"]*#)?(\w+)/.exec(answer.body.toString())?.[1] ?? 'unknown' }),
        })
      const completed =
        call.has('Action') && status === 200 ? asNetwork(ipv6.complete(call, answer.body.toString())) : undefined
      const { 'transfer-encoding': _, ...headers } = answer.response.headers
      const sent = completed === undefined ? answer.body : Buffer.from(completed)
      // The length of what HEAD would give is the emulator's to say.
      if (incoming.method !== 'HEAD') headers['content-length'] = String(sent.length)
      response.writeHead(status, headers)
      response.end(sent)
    } catch {
      incoming.socket.destroy()
    }
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    endpoint,
    account,
    region: ministack.region,
    env: { ...ministack.env, AWS_ENDPOINT_URL: endpoint },
    calls,
    completed: { ipv6: ipv6.completed },
    output: ministack.output,
    stop: async () => {
      agent.destroy()
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
      await ministack.stop()
    },
  }
}
