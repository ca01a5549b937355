import type { ActiveIssuer } from '../authority/issuing.ts'
import { minute } from '../core/time.ts'
import type { Secrets } from './secrets.ts'

export interface ReadinessDeps {
  storeAnswers(): boolean
  feedIsFresh(): boolean
  /** Ours does not differ from the store's. */
  clockIsRight(): boolean
  /** The tables are known to be the ones that were there before, and what is changed is remembered outside of them. */
  storeEpochIsKnown(): boolean
  secrets(): Secrets
  /** Ends in Unix milliseconds. */
  authorities(): { active: ActiveIssuer | undefined; rootsEnd: number; issuersEnd: number }
  clock: () => number
}

/** An issuer with less than this left is of no use to whoever asks. Milliseconds. */
const leastLifeOfIssuer = 5 * minute

/** Names of the checks that fail now: what `/readyz` says. */
export const makeReadiness = (deps: ReadinessDeps) => (): string[] => {
  const now = deps.clock()
  const secrets = deps.secrets()
  const { active, rootsEnd, issuersEnd } = deps.authorities()
  const ends = [rootsEnd, issuersEnd, secrets.server?.not_after ?? Number.POSITIVE_INFINITY]
  const checks = {
    store: deps.storeAnswers(),
    feed: deps.feedIsFresh(),
    clock: deps.clockIsRight(),
    store_epoch: deps.storeEpochIsKnown(),
    // Without any issuer a server is meant to verify only; with one whose key is missing, out of reach, or that ends, it is not well.
    issuer:
      secrets.issuers.length === 0 ||
      (active !== undefined &&
        active.issuer.not_after > now + leastLifeOfIssuer &&
        active.issuer.signer?.ready?.() !== false),
    certificates: ends.every((end) => end > now),
  }
  return Object.entries(checks).flatMap(([name, good]) => (good ? [] : [name]))
}
