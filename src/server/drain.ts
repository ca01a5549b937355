import type { Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { second } from '../core/time.ts'
import type { OpenStream } from './connections.ts'
import type { Log } from './log.ts'

export type StopSignal = 'SIGTERM' | 'SIGINT'

export interface DrainDeps {
  /** Go on accepting for so long, then let requests finish for so long. Milliseconds. */
  delay: number
  grace: number
  log: Log
  random: () => number
  /** Tells balancers to stop sending connections. */
  announce(): void
  streams(): Iterable<[Socket, OpenStream]>
  /** Accepts no more connections. */
  stopListening(): void
  /** Ends idle connections, and others after the response that they wait for. */
  finishAll(): void
  allClosed(): Promise<void>
  /** Ends what is left, and says how many connections that was. */
  destroyAll(): number
}

/** A Ctrl-C is given this long for requests in flight, so that all is over in 2 s. Milliseconds. */
const hurriedGrace = second
/** Streams end before the grace does, so that their agents have found another server by then. Milliseconds. */
const streamMargin = 5 * second
const streamLook = second / 2
/** An agent that is told to reconnect waits so long. Seconds. */
const reconnectAfter = 1

/** The way from a signal to the last closed connection. */
export const makeDrain = (deps: DrainDeps) => {
  /** Set off by a SIGINT: nothing is waited for that can be left out. */
  const hurry = new AbortController()
  /** Set off at the end, so that no timer outlives the drain. */
  const over = new AbortController()
  let ended: Promise<void> | undefined

  const wait = (milliseconds: number, ...until: AbortSignal[]): Promise<void> =>
    setTimeout(milliseconds, undefined, { signal: AbortSignal.any([over.signal, ...until]) }).catch(() => undefined)

  /** Tells streams to reconnect at moments spread over what is left, also those that only opened meanwhile. */
  const endStreams = async () => {
    const until = performance.now() + Math.max(0, deps.delay + deps.grace - streamMargin)
    const told = new WeakSet<Socket>()
    while (!over.signal.aborted) {
      for (const [socket, stream] of [...deps.streams()]) {
        if (told.has(socket)) continue
        told.add(socket)
        const moment = deps.random() * Math.max(0, until - performance.now())
        void wait(moment, hurry.signal).then(() => socket.destroyed || stream.reconnect(reconnectAfter))
      }
      await wait(streamLook)
    }
  }

  const run = async (signal: StopSignal) => {
    // 1. Balancers stop sending connections; those that they still send are served.
    deps.announce()
    deps.log.info({ event: 'draining', signal, delay_seconds: deps.delay / second, grace_seconds: deps.grace / second })
    void endStreams()
    await wait(deps.delay, hurry.signal)
    // 2. No more connections; each that is open ends as soon as it has its answers.
    deps.stopListening()
    deps.finishAll()
    // 3. What has not ended by then is cut.
    const closed = deps.allClosed()
    await Promise.race([closed, wait(deps.grace, hurry.signal)])
    if (hurry.signal.aborted) await Promise.race([closed, wait(hurriedGrace)])
    over.abort()
    deps.log.info({ event: 'drained', connections_cut: deps.destroyAll() })
  }

  return {
    /** Begins at the first signal and resolves when all is over. A second SIGTERM changes nothing, a SIGINT hurries. */
    begin: (signal: StopSignal): Promise<void> => {
      if (signal === 'SIGINT') hurry.abort()
      ended ??= run(signal)
      return ended
    },
  }
}
export type Drain = ReturnType<typeof makeDrain>
