import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import fastify from 'fastify'
import t from 'tap'
import { limitStoreTime } from '../../../src/server/plugins/store-time.ts'
import { timeLeft } from '../../../src/store/deadline.ts'

const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

t.test(
  'one budget for admission and the work together; the time in which the body arrives does not count',
  async (t) => {
    const app = fastify()
    t.teardown(() => app.close())
    limitStoreTime(app, 7000)
    const seen: number[] = []
    app.addHook('onRequest', async () => {
      seen.push(timeLeft())
      await wait(400)
    })
    app.post('/', async () => {
      seen.push(timeLeft())
      return ''
    })
    await app.listen({ port: 0, host: '127.0.0.1' })
    const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
    t.teardown(() => void socket.destroy())
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{')
    await wait(3000)
    socket.write('}')
    await new Promise((resolve) => socket.once('data', resolve))
    const [atFirst = 0, atWork = 0] = seen
    t.ok(atFirst > 5000 && atFirst <= 7000, `${atFirst} ms at first`)
    t.ok(atWork > 4500 && atWork <= 6620, `${atWork} ms after 400 ms of admission and 3000 ms of body`)
  },
)
