import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'

export interface Balancer {
  address: string
  /** `host:port` of those that connections go to, in turn; none: they are refused. */
  targets: string[]
  /** Breaks every connection that stands. */
  cut(): void
  /** While true, what the targets answer is lost. */
  muted: boolean
  /** Connections that were taken so far. */
  taken: () => number
}

/** A TCP balancer: passes octets on and looks into none. */
export const startBalancer = async (t: Pick<Test, 'teardown'>, targets: string[]): Promise<Balancer> => {
  const sockets = new Set<Socket>()
  let taken = 0
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
  }
  const server = createServer((incoming) => {
    keep(incoming)
    const target = balancer.targets[taken++ % balancer.targets.length]
    if (target === undefined) return void incoming.resetAndDestroy()
    const [host = '', port = ''] = target.split(':')
    const outgoing = connect(Number(port), host)
    keep(outgoing)
    incoming.pipe(outgoing)
    outgoing.on('data', (part) => {
      if (!balancer.muted) incoming.write(part)
    })
    outgoing.on('end', () => incoming.end())
    incoming.on('close', () => outgoing.destroy())
    outgoing.on('close', () => incoming.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  const balancer: Balancer = {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    targets,
    muted: false,
    cut,
    taken: () => taken,
  }
  t.teardown(() => {
    cut()
    server.close()
  })
  return balancer
}
