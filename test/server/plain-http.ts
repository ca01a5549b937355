import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import t from 'tap'
import { second } from '../../src/core/time.ts'
import { makePlainServer, send } from '../../src/server/plain-http.ts'
import { sendRaw } from '../support/http-apps.ts'

t.test('who asks for a large file and reads nothing of it is cut, and holds no connection for ever', async (t) => {
  const server = makePlainServer((_path, _request, response) => {
    send(response, 200, 'application/pkix-crl', Buffer.alloc(32 * 1024 * 1024))
    return true
  })
  t.ok(server.timeout > 0 && server.timeout <= 60 * second, 'within a minute')
  // The same, quicker.
  server.timeout = 300
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const accepted = once(server, 'connection')
  const lazy = connect((server.address() as AddressInfo).port, '127.0.0.1')
  t.teardown(() => lazy.destroy())
  lazy.on('error', () => undefined)
  lazy.pause()
  lazy.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  const [socket] = await accepted
  await once(socket, 'close')
  t.pass('cut')
})

t.test('a whole address is understood as its path is, and nothing else is taken for one', async (t) => {
  const server = makePlainServer((path, _request, response) => {
    send(response, 200, 'text/plain', path)
    return true
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const cases: [target: string, path: string][] = [
    ['/pki/a?b', '/pki/a'],
    ['http://pki.example.com:8081/pki/a?b', '/pki/a'],
    ['HTTP://x/pki/a', '/pki/a'],
    ['/http://x/pki/a', '/http://x/pki/a'],
    ['https://x/pki/a', 'https://x/pki/a'],
    ['http://x', ''],
    ['*', '*'],
  ]
  for (const [target, path] of cases) {
    const { body } = await sendRaw(port, `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    t.equal(String(body), path, target)
  }
})
