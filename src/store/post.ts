import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { AwsSettings } from './aws-settings.ts'

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}

/** Milliseconds. */
const connectTimeout = 1000
const mostSockets = 128
/** DynamoDB answers with at most 16 MB of items, which JSON and base64 make longer. Octets. */
const longestOfTheStore = 64 * 1024 * 1024

const failed = (name: string, message: string): Error => Object.assign(new Error(message), { name })

/** Kept connections to one service. `post` rejects with Node's error, or a TimeoutError: then nobody knows what was done. */
export const makePost = (longestAnswer = longestOfTheStore) => {
  const kept = { keepAlive: true, maxSockets: mostSockets }
  const plain = new HttpAgent(kept)
  const secure = new HttpsAgent(kept)

  const limitConnecting = (outgoing: ClientRequest): void => {
    outgoing.once('socket', (socket) => {
      if (!socket.connecting) return
      const limit = setTimeout(
        () => outgoing.destroy(failed('TimeoutError', `no connection within ${connectTimeout} ms`)),
        connectTimeout,
      )
      const stop = () => clearTimeout(limit)
      socket.once('connect', stop)
      outgoing.once('close', stop)
    })
  }

  const post = (
    { protocol, hostname, port, path }: AwsSettings,
    headers: Record<string, string>,
    body: string,
    milliseconds: number,
  ): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const isPlain = protocol === 'http:'
      const outgoing = (isPlain ? httpRequest : httpsRequest)({
        host: hostname,
        port: port ?? (isPlain ? 80 : 443),
        method: 'POST',
        path,
        headers,
        agent: isPlain ? plain : secure,
      })
      const timer = setTimeout(
        () => outgoing.destroy(failed('TimeoutError', `no answer within ${milliseconds} ms`)),
        milliseconds,
      )
      const fail = (error: Error): void => {
        clearTimeout(timer)
        reject(error)
      }
      outgoing.on('error', fail)
      limitConnecting(outgoing)
      outgoing.on('response', (incoming) => {
        const parts: Buffer[] = []
        let length = 0
        incoming.on('error', fail)
        incoming.on('data', (part: Buffer) => {
          length += part.length
          if (length > longestAnswer) incoming.destroy(failed('Error', `an answer of over ${longestAnswer} octets`))
          else parts.push(part)
        })
        incoming.on('end', () => {
          clearTimeout(timer)
          const whole = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: whole })
        })
      })
      outgoing.end(body)
    })

  return {
    post,
    close: (): void => {
      plain.destroy()
      secure.destroy()
    },
  }
}
