import { once } from 'node:events'
import { createServer as createHttpServer, get } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import t, { type Test } from 'tap'
import { answerBehind, makeDoor } from '../../src/server/door.ts'

/** A door that is open, with its port. */
const openDoor = async (t: Test, maxConnections = 10) => {
  const door = makeDoor(maxConnections)
  door.server.listen(0, '127.0.0.1')
  await once(door.server, 'listening')
  t.teardown(() => door.server.close())
  return { ...door, port: (door.server.address() as AddressInfo).port }
}

const ask = (port: number): Promise<number | undefined> =>
  new Promise((done, failed) => {
    get({ host: '127.0.0.1', port, agent: false }, (response) => done(response.resume().statusCode)).once(
      'error',
      failed,
    )
  })

const makeHttp = () => createHttpServer((_request, response) => response.end('ok'))

t.test('who comes before anybody attends is answered then, and so is who comes later', async (t) => {
  const door = await openDoor(t)
  let answered = false
  const early = ask(door.port).finally(() => {
    answered = true
  })
  await new Promise((done) => setTimeout(done, 100))
  t.equal(answered, false)
  const http = makeHttp()
  t.teardown(() => http.closeAllConnections())
  answerBehind(door, http)
  t.equal(await early, 200)
  t.equal(await ask(door.port), 200)
})

t.test('who has gone meanwhile, or sent what is no HTTP, harms nobody', async (t) => {
  const door = await openDoor(t)
  const leaver = connect(door.port, '127.0.0.1')
  await once(leaver, 'connect')
  leaver.resetAndDestroy()
  const babbler = connect(door.port, '127.0.0.1')
  babbler.end('no HTTP\r\n\r\n')
  await new Promise((done) => setTimeout(done, 50))
  const http = makeHttp()
  t.teardown(() => http.closeAllConnections())
  answerBehind(door, http)
  t.match(String(await once(babbler, 'data')), /^HTTP\/1\.1 400 /)
  t.equal(await ask(door.port), 200)
})

t.test('no more wait than may be connected', async (t) => {
  const door = await openDoor(t, 1)
  const first = connect(door.port, '127.0.0.1')
  t.teardown(() => first.destroy())
  await once(first, 'connect')
  const second = connect(door.port, '127.0.0.1')
  second.on('error', () => undefined)
  await once(second, 'close')
  t.pass('the second is refused')
})
