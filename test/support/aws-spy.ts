import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What is said in the place of AWS. */
export type AwsAnswer = { status: number; type: string; message: string } | { body: object }

/**
 * What is done with a call of AWS: `forward` sends it on, and resolves when its answer is there, not yet given. What is
 * returned is said instead.
 */
export type OnCall = (operation: string, forward: () => Promise<void>) => Promise<AwsAnswer | undefined>

/** Stands between a program and an AWS of this machine: sees each call, and may do something before or behind it. */
export interface AwsSpy {
  endpoint: string
  /** Operations so far, e.g. `ssm:PutParameter`. */
  calls: string[]
  onCall: OnCall
  stop(): Promise<void>
}

const services: Record<string, string> = {
  AmazonSSM: 'ssm',
  secretsmanager: 'secretsmanager',
  TrentService: 'kms',
  AmazonEC2ContainerServiceV20141113: 'ecs',
  DynamoDB_20120810: 'dynamodb',
}

const operationOf = (target: string): string => {
  const [service = '', operation = ''] = target.split('.')
  return `${services[service] ?? service}:${operation}`
}

/** Nothing in particular. */
export const passOn: OnCall = async (_, forward) => {
  await forward()
  return undefined
}

export const startAwsSpy = async (upstream: string): Promise<AwsSpy> => {
  const { hostname, port } = new URL(upstream)
  const server = createServer(async (incoming, response) => {
    const parts: Buffer[] = []
    try {
      for await (const part of incoming) parts.push(part as Buffer)
    } catch {
      return
    }
    const body = Buffer.concat(parts)
    const operation = operationOf(String(incoming.headers['x-amz-target']))
    spy.calls.push(operation)
    let answer: { status: number; headers: NodeJS.Dict<string | string[]>; body: Buffer } | undefined
    const forward = () =>
      new Promise<void>((resolve, reject) => {
        const { method, url, headers } = incoming
        const outgoing = request({ hostname, port, method, path: url, headers }, async (found) => {
          const received: Buffer[] = []
          for await (const part of found) received.push(part as Buffer)
          answer = { status: found.statusCode ?? 500, headers: found.headers, body: Buffer.concat(received) }
          resolve()
        })
        outgoing.on('error', reject)
        outgoing.end(body)
      })
    const instead = await spy.onCall(operation, forward).catch(() => undefined)
    if (instead !== undefined) {
      const [status, body] =
        'body' in instead ? [200, instead.body] : [instead.status, { __type: instead.type, message: instead.message }]
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' })
      return response.end(JSON.stringify(body))
    }
    if (answer === undefined) return response.destroy()
    response.writeHead(answer.status, answer.headers)
    response.end(answer.body)
  })
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const spy: AwsSpy = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls: [],
    onCall: passOn,
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return spy
}
