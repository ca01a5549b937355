import { minute, second, withinTime } from '../../core/time.ts'
import type { Issuer } from '../../pki/issuer.ts'
import { makeResponder } from '../../pki/ocsp-responder.ts'
import type { Responder } from '../../pki/ocsp-response.ts'

export interface RespondersDeps {
  clock: () => number
  /** In [0, 1): jitter. */
  random: () => number
  onFailure: (issuerId: string, error: unknown) => void
}

/** How long a request waits for the first certificate of a responder. Milliseconds. */
const patience = 3 * second
/** After a failure the issuer's key is left alone for so long, doubled each time. Milliseconds. */
const firstPause = second
const longestPause = minute

interface State {
  responder?: Responder
  making?: Promise<Responder>
  failures: number
  /** Unix milliseconds. */
  not_again_before: number
}

/**
 * One responder for each issuer, in this process's memory. A new one is made when half of its life is over, beside the
 * requests, which go on with the old one; the issuer's key, which may be far away, is asked by one call at a time.
 */
export const makeResponders = ({ clock, random, onFailure }: RespondersDeps) => {
  /** By the issuer's PEM: the same key under another certificate needs a responder of its own. */
  const states = new Map<string, State>()

  const make = (state: State, issuer: Issuer): Promise<Responder> => {
    state.making ??= makeResponder(issuer, clock())
      .then((responder) => {
        state.responder = responder
        state.failures = 0
        return responder
      })
      .catch((error: unknown) => {
        const pause = Math.min(longestPause, firstPause * 2 ** state.failures++)
        state.not_again_before = clock() + pause * (0.5 + random() / 2)
        onFailure(issuer.issuer_id, error)
        throw error
      })
      .finally(() => {
        delete state.making
      })
    return state.making
  }

  /** Rejects when there is none: the issuer's key is not here, does not answer, or has just failed to. */
  return async (issuer: Issuer): Promise<Responder> => {
    const now = clock()
    const state = states.get(issuer.pem) ?? { failures: 0, not_again_before: 0 }
    states.set(issuer.pem, state)
    const { responder } = state
    const mayTry = state.making !== undefined || now >= state.not_again_before
    if (responder !== undefined && responder.not_before <= now && now < responder.not_after) {
      const halfLife = (responder.not_before + responder.not_after) / 2
      // What becomes of it is told to onFailure.
      if (now >= halfLife && mayTry) void make(state, issuer).catch(() => undefined)
      return responder
    }
    if (!mayTry) throw new Error('the key of the issuer did not answer just now')
    return withinTime(patience, () => make(state, issuer))
  }
}
export type Responders = ReturnType<typeof makeResponders>
