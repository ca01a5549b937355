import type { HeldStream } from '../../core/agent.ts'
import { second } from '../../core/time.ts'

export interface DeparturesDeps {
  /** Records the end of a stream; throws when the store does not answer. */
  write(principalId: string, stream: HeldStream, at: number): Promise<void>
  onFailure(error: unknown): void
}

interface Departure {
  principalId: string
  stream: HeldStream
  at: number
}

/** Written at once; a whole fleet that leaves together must not take all of the store's connections. */
const atOnce = 16
const retryAfter = second

/** Ends of streams on their way to the store: tried until they are there, for nobody else will say so. */
export const makeDepartures = ({ write, onFailure }: DeparturesDeps) => {
  const waiting: Departure[] = []
  let writing = 0
  let idle: (() => void)[] = []

  const next = (): void => {
    while (writing < atOnce) {
      const departure = waiting.shift()
      if (departure === undefined) break
      writing++
      write(departure.principalId, departure.stream, departure.at)
        .catch(async (error: unknown) => {
          onFailure(error)
          await new Promise((resolve) => setTimeout(resolve, retryAfter).unref())
          waiting.push(departure)
        })
        .finally(() => {
          writing--
          next()
        })
    }
    if (writing > 0 || waiting.length > 0) return
    for (const resolve of idle) resolve()
    idle = []
  }

  return {
    add: (departure: Departure): void => {
      waiting.push(departure)
      next()
    },
    /** Resolves when all are written. */
    written: (): Promise<void> =>
      writing === 0 && waiting.length === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve)),
  }
}
