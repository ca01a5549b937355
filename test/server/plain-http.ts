import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import t from 'tap'
import { second } from '../../src/core/time.ts'
import { makePlainServer, send } from '../../src/server/plain-http.ts'

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
