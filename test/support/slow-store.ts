import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

/** A store that says no, but takes its time with each answer, so that whoever asks it waits. Answers its endpoint. */
export const startSlowStore = async (t: Pick<Test, 'teardown'>, milliseconds: number): Promise<string> => {
  const server = createServer((_request, response) => {
    setTimeout(() => {
      response.writeHead(400, { 'content-type': 'application/x-amz-json-1.0' })
      response.end('{"__type":"com.amazonaws.dynamodb.v20120810#AccessDeniedException","message":"no"}')
    }, milliseconds)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
