import { makeCheckpointer } from '../authority/make-checkpoint.ts'
import { second } from '../core/time.ts'
import type { AdoptionTimes } from '../store/chain-adoption.ts'
import type { ChainTimes } from '../store/chain-writer.ts'
import type { Registry } from '../store/registry.ts'
import { awsReason } from './aws-reason.ts'
import type { Config } from './config.ts'
import type { Log } from './log.ts'
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
  clock: () => number
  owner: string
  auditTimes?: AuditTimes | undefined
}

const sayAgainAfter = 300 * second

/** What one server does for the audit chains of all, and what is said of it. */
export const makeAuditWatch = (deps: AuditWatchDeps): (() => Promise<void>) => {
  const { config, registry, secrets, log, clock, owner } = deps
  const { auditBucket, auditRetention, auditLockMode: mode } = config
  const bucket = auditBucket === undefined ? undefined : makeS3ObjectStore({ bucket: auditBucket })
  const saidAt = new Map<string, number>()
  /** A trouble that lasts is said now and then. */
  const say = (event: string, error: unknown) => {
    if (clock() - (saidAt.get(event) ?? Number.NEGATIVE_INFINITY) < sayAgainAfter) return
    saidAt.set(event, clock())
    log.error({ event, bucket: auditBucket, reason: awsReason(error) })
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
    onSignFailed: (error) => say('audit_checkpoint_failed', error),
    onKeepFailed: (error) => say('audit_bucket_failed', error),
    times: deps.auditTimes,
  })
}
