import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * `open`: as it is. `no-list`: S3 as it is for who may not list the bucket: what is not there is forbidden. `no-read`,
 * `no-write`: that is forbidden. `silent`: no answer.
 */
export type Mood = 'open' | 'no-list' | 'no-read' | 'no-write' | 'silent'

/** Stands between a server and an S3 of this machine. */
export interface S3Front {
  endpoint: string
  mood: Mood
  /** `GET /bucket/key`, in their order. */
  calls: string[]
  stop(): Promise<void>
}

const denied = '<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'

export const startS3Front = async (upstream: string): Promise<S3Front> => {
  const { hostname, port } = new URL(upstream)
  const server = createServer((incoming, response) => {
    const { method = '', url = '', headers } = incoming
    front.calls.push(`${method} ${url.split('?')[0]}`)
    const isRead = method === 'GET'
    const { mood } = front
    if (mood === 'silent') return void incoming.resume()
    const refuse = () => response.writeHead(403, { 'content-type': 'application/xml' }).end(denied)
    if (mood === (isRead ? 'no-read' : 'no-write')) {
      incoming.resume()
      return void incoming.once('end', refuse)
    }
    const outgoing = request({ hostname, port, method, path: url, headers }, (found) => {
      if (mood === 'no-list' && found.statusCode === 404) {
        found.resume()
        return void refuse()
      }
      response.writeHead(found.statusCode ?? 500, found.headers)
      found.pipe(response)
    })
    outgoing.on('error', () => response.destroy())
    incoming.pipe(outgoing)
  })
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const front: S3Front = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    mood: 'open',
    calls: [],
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return front
}
