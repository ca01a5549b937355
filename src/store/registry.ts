import { makeAdmins } from './admins.ts'
import { makeAgents } from './agents.ts'
import { makeAnswers } from './answers.ts'
import { makeAudit } from './audit.ts'
import { makeCertificates } from './certificates.ts'
import type { Store } from './client.ts'
import { makeCommands } from './commands.ts'
import { makeCrlEntries } from './crl.ts'
import { makeDepartures } from './departures.ts'
import { type FeedRecord, makeFeedWriter } from './feed.ts'
import { makeJoinRules } from './join-rules.ts'
import { makeJoinTokens } from './join-tokens.ts'
import { makeKeys } from './keys.ts'
import { makeLeases } from './leases.ts'
import { makePrincipals } from './principals.ts'
import { makeRevocations } from './revocations.ts'
import { makeCommit } from './transaction.ts'
import { makeUsedProofs } from './used-proofs.ts'
import { makeWorkLeases } from './work-leases.ts'

export interface RegistryDeps {
  store: Store
  clock: () => number
  /** In [0, 1): jitter. */
  random: () => number
  /** Whether the caller whose work this is is still connected. */
  callerIsThere: () => boolean
  /** Keeps the feed's reader off a record that this process is writing, until what it returns is called. */
  holdBack: (record: FeedRecord) => () => void
  /** Effects of an own transaction on this process, before its caller gets the answer. */
  onCommitted: (record: FeedRecord) => void
}

/** Everything that is kept in the tables, and the one way to change it. */
export const openRegistry = (deps: RegistryDeps) => {
  const { store, clock } = deps
  const audit = makeAudit(store)
  const answers = makeAnswers(store, clock)
  return {
    principals: makePrincipals(store),
    certificates: makeCertificates(store),
    keys: makeKeys(store),
    admins: makeAdmins(store),
    crl: makeCrlEntries(store),
    revocations: makeRevocations(store),
    joinTokens: makeJoinTokens(store),
    joinRules: makeJoinRules(store),
    usedProofs: makeUsedProofs(store),
    departures: makeDepartures(store),
    workLeases: makeWorkLeases(store),
    agents: makeAgents(store),
    commands: makeCommands(store),
    leases: makeLeases(store),
    tell: makeFeedWriter({ store, clock, onCommitted: deps.onCommitted }),
    audit,
    answers,
    commit: makeCommit({ ...deps, audit, answers }),
  }
}
export type Registry = ReturnType<typeof openRegistry>
