import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { makeRequestsInFlight } from '../../src/server/requests-in-flight.ts'

const start = async (t: Test) => {
  const requests = makeRequestsInFlight()
  const waiting: ServerResponse[] = []
  const server = createServer((_request, response) => void waiting.push(response))
  requests.watch(server)
  const sockets: Socket[] = []
  server.on('connection', (socket) => {
    requests.opened(socket)
    sockets.push(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  /** A client that has sent so many requests, and what it has read so far. */
  const open = async (count: number) => {
    const before = waiting.length
    const client = connect(port, '127.0.0.1')
    let text = ''
    client.on('data', (chunk) => {
      text += chunk
    })
    t.teardown(() => client.destroy())
    await once(client, 'connect')
    for (let sent = 0; sent < count; sent++) client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    while (sockets.length === 0 || waiting.length < before + Math.min(count, 1))
      await new Promise((resolve) => setImmediate(resolve))
    return {
      client,
      socket: sockets.at(-1) as Socket,
      response: waiting.at(-1) as ServerResponse,
      text: () => text,
      closed: once(client, 'close'),
    }
  }
  return { requests, open, waiting }
}

t.test('an idle connection ends at once', async (t) => {
  const { requests, open } = await start(t)
  const { socket, closed } = await open(0)
  requests.finish(socket)
  await closed
  t.equal(requests.size(), 0)
})

t.test('one that waits for an answer gets it, and ends', async (t) => {
  const { requests, open } = await start(t)
  const { socket, response, closed, text } = await open(1)
  requests.finish(socket)
  t.equal(requests.size(), 1)
  response.end('late')
  await closed
  t.match(text(), /^HTTP\/1\.1 200[\s\S]*Connection: close[\s\S]*late$/)
})

t.test('one whose answer has begun gets the rest of it', async (t) => {
  const { requests, open } = await start(t)
  const { socket, response, closed, text } = await open(1)
  response.writeHead(200, { 'content-length': 6 })
  response.write('one')
  requests.finish(socket)
  response.end('two')
  await closed
  t.match(text(), /onetwo$/)
})

t.test('requests that were sent ahead are answered before the end', async (t) => {
  const { requests, open, waiting } = await start(t)
  const { socket, closed, text } = await open(2)
  while (waiting.length < 2) await new Promise((resolve) => setImmediate(resolve))
  requests.finish(socket)
  waiting[1]?.end('second')
  waiting[0]?.end('first')
  await closed
  t.match(text(), /first[\s\S]*Connection: close[\s\S]*second/)
})

t.test('when all are to finish, one that comes later has one answer', async (t) => {
  const { requests, open } = await start(t)
  const first = await open(1)
  requests.finishAll()
  const second = await open(1)
  let over = false
  const all = requests.allClosed().then(() => {
    over = true
  })
  second.response.end('x')
  await second.closed
  t.notOk(over)
  first.response.end('y')
  await Promise.all([first.closed, all])
  t.match([first.text(), second.text()], [/Connection: close/, /Connection: close/])
})

t.test('what does not end is destroyed', async (t) => {
  const { requests, open } = await start(t)
  const { closed } = await open(1)
  requests.finishAll()
  requests.destroyAll()
  await closed
  await requests.allClosed()
  t.equal(requests.size(), 0)
})
