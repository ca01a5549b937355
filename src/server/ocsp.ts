import { type AnswerOcsp, makeAnswerOcsp } from '../authority/ocsp/answer-ocsp.ts'
import { makeResponders } from '../authority/ocsp/responders.ts'
import { makeRevocationStatus } from '../authority/ocsp/revocation-status.ts'
import { second } from '../core/time.ts'
import type { Issuer } from '../pki/issuer.ts'
import { withDeadline } from '../store/deadline.ts'
import type { Registry } from '../store/registry.ts'
import type { Config } from './config.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import { makeRateLimit } from './plugins/rate-limit.ts'

export interface OcspDeps {
  isOpen: () => boolean
  issuers: () => Issuer[]
  registry: Pick<Registry, 'certificates' | 'principals'>
  config: Pick<Config, 'supersedeGrace'>
  clock: () => number
  random: () => number
  metrics: Pick<Metrics, 'ocspAnswered'>
  log: Log
}

/** Certificates that are looked up and answered for, per second and process; beyond it, try_later. What is kept is free. */
const workedOutPerSecond = 200
/** For the store to answer in. Milliseconds. */
const patience = 2 * second

/** The OCSP responder of this process. */
export const makeOcsp = (deps: OcspDeps): AnswerOcsp => {
  const { isOpen, issuers, registry, config, clock, random, metrics, log } = deps
  const limit = makeRateLimit({ perSecond: workedOutPerSecond, burst: workedOutPerSecond, clock })
  return makeAnswerOcsp({
    isOpen,
    issuers,
    responderOf: makeResponders({
      clock,
      random,
      onFailure: (issuer_id, error) =>
        log.warn({ event: 'ocsp_responder_unavailable', issuer_id, reason: (error as Error).message }),
    }),
    readRows: (serials) => withDeadline(patience, () => registry.certificates.getMany(serials)),
    statusOf: makeRevocationStatus({
      supersedeGrace: config.supersedeGrace,
      readPrincipal: (principalId) => withDeadline(patience, () => registry.principals.get(principalId)),
    }),
    mayWork: () => limit.take('') === 0,
    clock,
    onAnswered: metrics.ocspAnswered,
    onFault: (err) => log.error({ event: 'ocsp_failed', err }),
  })
}
