import type { ServerAddress } from '../client/address.ts'
import { type Identity, serialOf } from '../client/identity.ts'
import {
  type Answer,
  type Exchange,
  makeTransport,
  type OpenAnswer,
  type Transport,
  TransportError,
} from '../client/transport.ts'

export interface SpeakerDeps {
  server: ServerAddress
  /** For an identity that was stored without roots. */
  rootsPem: string | undefined
  /** Milliseconds. */
  timeout: number
  signal: AbortSignal
  /** Told of every answer: its Date is the server's clock. */
  onAnswer: (answer: { headers: Answer['headers'] }) => void
}

/** Connections of old identities are closed when a third one speaks: renewal needs two at once. */
const keptTransports = 2

/** Sent twice it has the effect of one. */
const isRepeatable = ({ method, headers }: Exchange): boolean =>
  method !== 'POST' || headers['idempotency-key'] !== undefined

/** Speaks to the server as any identity of this agent, over a connection that is kept. Throws TransportError. */
export const makeSpeaker = ({ server, rootsPem, timeout, signal, onAnswer }: SpeakerDeps) => {
  const transports = new Map<string, Transport>()

  const transportOf = (identity: Identity): Transport => {
    const ca = identity.rootsPem || (rootsPem ?? '')
    const key = `${serialOf(identity)}\n${ca}`
    const known = transports.get(key)
    if (known !== undefined) return known
    const made = makeTransport({ server, ca, cert: identity.chainPem, key: identity.keyPem, timeout, signal })
    transports.set(key, made)
    for (const [old, transport] of transports) {
      if (transports.size <= keptTransports) break
      transport.close()
      transports.delete(old)
    }
    return made
  }

  return {
    speakAs: async (identity: Identity, exchange: Exchange): Promise<Answer> => {
      const transport = transportOf(identity)
      for (let again = false; ; again = true) {
        try {
          const answer = await transport.exchange(exchange)
          onAnswer(answer)
          return answer
        } catch (error) {
          // A kept connection that the server had closed meanwhile: seen only when it is used.
          const stale = error instanceof TransportError && (error.failure === 'cut' || error.failure === 'lost')
          if (again || !stale || !isRepeatable(exchange)) throw error
        }
      }
    },
    openAs: async (identity: Identity, exchange: Exchange): Promise<OpenAnswer> => {
      const answer = await transportOf(identity).open(exchange)
      onAnswer(answer)
      return answer
    },
    close: (): void => {
      for (const transport of transports.values()) transport.close()
      transports.clear()
    },
  }
}
export type Speaker = ReturnType<typeof makeSpeaker>
