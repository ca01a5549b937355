import { makeCheckpointer } from '../authority/make-checkpoint.ts'
import { second } from '../core/time.ts'
import type { AdoptionTimes } from '../store/chain-adoption.ts'
import type { ChainTimes } from '../store/chain-writer.ts'
import type { Registry } from '../store/registry.ts'
import { awsReason } from './aws-reason.ts'
import type { Config } from './config.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import { makeS3ObjectStore } from './s3-object-store.ts'
import type { Secrets } from './secrets.ts'

/** Each checkpoint is a version of this one object, so that the server's rights name it and no pattern. */
export const checkpointKey = 'audit-checkpoint.json'

/** Milliseconds; what is absent is as in production. */
export type AuditTimes = Partial<ChainTimes & AdoptionTimes & { checkpointEvery: number; watchEvery: number }>

export interface AuditWatchDeps {
  config: Pick<Config, 'auditBucket' | 'auditRetention' | 'auditLockMode'>
  registry: Registry
  secrets: () => Secrets
  log: Log
  metrics: Pick<Metrics, 'auditChainFailed'>
  clock: () => number
  owner: string
  auditTimes?: AuditTimes | undefined
}

const sayAgainAfter = 300 * second

/** What one server does for the audit chains of all, and what is said of it. */
export const makeAuditWatch = (deps: AuditWatchDeps): (() => Promise<void>) => {
  const { config, registry, secrets, log, metrics, clock, owner } = deps
  const { auditBucket, auditRetention, auditLockMode: mode } = config
  const bucket = auditBucket === undefined ? undefined : makeS3ObjectStore({ bucket: auditBucket })
  const saidAt = new Map<string, number>()
  /** A trouble that lasts is said now and then. */
  const say = (event: string, error: unknown, about: Record<string, unknown> = {}) => {
    const what = `${event} ${Object.values(about).join()}`
    if (clock() - (saidAt.get(what) ?? Number.NEGATIVE_INFINITY) < sayAgainAfter) return
    saidAt.set(what, clock())
    log.error({ event, ...about, reason: awsReason(error) })
  }
  return makeCheckpointer({
    registry,
    clock,
    owner,
    signer: () => secrets().audit,
    keep:
      bucket &&
      ((body) =>
        bucket.put(checkpointKey, body, {
          contentType: 'application/json',
          lock: { mode, until: clock() + auditRetention },
        })),
    onAdopted: (done) => log.info({ event: 'audit_chains_adopted', ...done }),
    onAdoptFailed: (chain, error) => {
      metrics.auditChainFailed()
      say('audit_chain_not_adopted', error, { chain })
    },
    onSignFailed: (error) => say('audit_checkpoint_failed', error, { bucket: auditBucket }),
    onKeepFailed: (error) => say('audit_bucket_failed', error, { bucket: auditBucket }),
    times: deps.auditTimes,
  })
}
