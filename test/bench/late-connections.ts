import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { getRequest } from '../../bench/load/plan.ts'
import { startGenerator } from '../../bench/load/start.ts'
import { makeAuthority } from '../support/authority.ts'

t.test('a connection that waited too long for its turn is replaced, and its request sent again', async (t) => {
  const { env, root_pem } = await makeAuthority()
  let asked = 0
  const server = createServer({ cert: env.AIRUNNER_SERVER_CERT, key: env.AIRUNNER_SERVER_KEY }, (_, response) => {
    asked += 1
    response.writeHead(asked === 1 ? 408 : 200, asked === 1 ? { connection: 'close' } : {})
    response.end('answer')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const generator = startGenerator()
  t.teardown(() => {
    generator.stop()
    server.close()
    server.closeAllConnections()
  })
  await generator.prepare({
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    ca: root_pem,
    identities: [undefined, undefined],
    jobs: [0, 1, 0, 1].map((who) => ({ who, request: getRequest('/') })),
    connections: 'kept',
    inFlight: 2,
    expect: 200,
  })
  const { milliseconds, retried } = await generator.go()
  t.equal(retried, 1)
  t.equal(milliseconds.length, 4)
  t.equal(asked, 5)
})
