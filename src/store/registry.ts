import { makeAdmins } from './admins.ts'
import { makeAgents } from './agents.ts'
import { makeAnswers } from './answers.ts'
import { makeAudit } from './audit.ts'
import { makeAuditChainPages } from './audit-chain-pages.ts'
import { makeAuditChains } from './audit-chains.ts'
import { makeAuditCheckpoints } from './audit-checkpoints.ts'
import { makeAuthorityRecords } from './authorities.ts'
import { makeCertificates } from './certificates.ts'
import type { ChainWriter } from './chain-writer.ts'
import type { Store } from './client.ts'
import { makeCommands } from './commands.ts'
import { makeCrlEntries } from './crl.ts'
import { makeCrlFiles } from './crl-files.ts'
import { makeDepartures } from './departures.ts'
import { makeStoreEpochs } from './epoch.ts'
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
  /** Takes up the audit events that were committed; absent: they are in no chain. */
  chain?: ChainWriter | undefined
  /** Whether the caller whose work this is is still connected. */
  callerIsThere: () => boolean
  /** Keeps the feed's reader off a record that this process is writing, until what it returns is called. */
  holdBack: (record: FeedRecord) => () => void
  /** Effects of an own transaction on this process, before its caller gets the answer. */
  onCommitted: (record: FeedRecord) => void
  /** Throws while nothing may be changed, for the tables may be restored ones. */
  mustBeOpen?: () => void
  /** Told of what was committed, before its caller gets the answer. Never rejects. */
  afterCommit?: (actions: string[]) => Promise<void>
}

/** Everything that is kept in the tables, and the one way to change it. */
export const openRegistry = (deps: RegistryDeps) => {
  const { store, clock } = deps
  const audit = makeAudit(store, deps.chain)
  const answers = makeAnswers(store, clock)
  const auditChains = makeAuditChains(store)
  return {
    principals: makePrincipals(store),
    certificates: makeCertificates(store),
    keys: makeKeys(store),
    admins: makeAdmins(store),
    crl: makeCrlEntries(store),
    crlFiles: makeCrlFiles(store),
    revocations: makeRevocations(store),
    joinTokens: makeJoinTokens(store),
    joinRules: makeJoinRules(store),
    usedProofs: makeUsedProofs(store),
    departures: makeDepartures(store),
    workLeases: makeWorkLeases(store),
    agents: makeAgents(store),
    commands: makeCommands(store),
    leases: makeLeases(store),
    authorities: makeAuthorityRecords(store),
    epochs: makeStoreEpochs(store),
    tell: makeFeedWriter({ store, clock, onCommitted: deps.onCommitted }),
    audit,
    auditChains,
    auditChainPages: makeAuditChainPages(store, auditChains),
    auditCheckpoints: makeAuditCheckpoints(store),
    answers,
    commit: makeCommit({ ...deps, audit, answers }),
  }
}
export type Registry = ReturnType<typeof openRegistry>
