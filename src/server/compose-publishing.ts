import { makePublishCrl } from '../authority/crl/publish-crl.ts'
import { makeWorkshop } from '../authority/crl/workshop.ts'
import { second } from '../core/time.ts'
import type { StoreOptions } from '../store/client.ts'
import { withDeadline } from '../store/deadline.ts'
import type { Registry } from '../store/registry.ts'
import type { Authorities } from './authorities.ts'
import type { Config } from './config.ts'
import { makeCrls } from './crls.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import { makeOcsp } from './ocsp.ts'
import { makeS3ObjectStore } from './s3-object-store.ts'
import { makeTruststore } from './truststore.ts'

export interface PublishingDeps {
  config: Pick<Config, 'tables' | 'pkiListen' | 'supersedeGrace' | 'truststoreBucket'>
  /** For the thread that builds lists, which has a store of its own. */
  store?: Pick<StoreOptions, 'endpoint' | 'region' | 'credentials'> | undefined
  registry: Registry
  authorities: Authorities
  /** This process, where one of all does something. */
  owner: string
  /** False while nothing may be said of these tables. */
  isOpen: () => boolean
  /** The same, by a look that begins now. */
  confirm: () => Promise<boolean>
  /** Rejects while what this process knows of the issuers in the registry is older than so many milliseconds. */
  demandAuthorities: (milliseconds: number) => Promise<void>
  /** Absent: where it publishes them, on the PKI listener. */
  buildsCrls?: boolean | undefined
  /** How often the truststore is looked at, milliseconds. Absent: as in production. */
  truststoreLook?: number | undefined
  clock: () => number
  log: Log
  metrics: Metrics
}

/** Longer than between two looks at the truststore, so that the same server goes on with it. Milliseconds. */
const truststoreLease = 150 * second

/** What was known of the issuers before is no ground to write it down. Milliseconds. */
const newsOfIssuers = 45 * second

/** What others learn of us without being admitted: CRLs, OCSP answers, the truststore. */
export const composePublishing = (deps: PublishingDeps) => {
  const { config, registry, authorities, clock, log, metrics } = deps
  const buildsCrls = deps.buildsCrls ?? config.pkiListen !== undefined
  const workshop = makeWorkshop({ store: { tables: config.tables, ...deps.store } })
  const crls = makeCrls({
    isOpen: deps.isOpen,
    issuers: () => authorities().issuers,
    everKnown: () => [...authorities().issuers, ...authorities().removed],
    files: registry.crlFiles,
    workshop,
    publish: (onPublished) => makePublishCrl({ registry, workshop, clock, tablesHold: deps.confirm, onPublished }),
    clock,
    log,
    observeBuild: metrics.crlBuilt,
  })
  const ocsp = makeOcsp({
    isOpen: deps.isOpen,
    issuers: () => authorities().issuers,
    registry,
    config,
    clock,
    random: Math.random,
    metrics,
    log,
  })
  const { truststoreBucket } = config
  const truststore =
    truststoreBucket === undefined
      ? undefined
      : makeTruststore({
          objects: makeS3ObjectStore({ bucket: truststoreBucket }),
          text: () => authorities().truststorePem,
          // Neither from restored tables nor from the configuration alone: both can name an issuer that was removed.
          mayWrite: () =>
            withDeadline(5 * second, async () => {
              if (!deps.isOpen()) return false
              await deps.demandAuthorities(newsOfIssuers)
              return registry.workLeases.take('truststore', deps.owner, clock(), clock() + truststoreLease)
            }),
          letGo: () => withDeadline(5 * second, () => registry.workLeases.take('truststore', deps.owner, clock(), 0)),
          log,
          lookEvery: deps.truststoreLook,
        })

  /** An issuer that was removed says so in a list that holds as long as its certificates would have. */
  const lastCrl = (issuerId: string): void => {
    if (!authorities().removed.some(({ issuer_id, signer }) => issuer_id === issuerId && signer !== undefined)) return
    crls
      .publish(issuerId, { final: true })
      .catch((error: Error) => log.warn({ event: 'crl_failed', issuer_id: issuerId, reason: error.message }))
  }

  return {
    crls,
    ocsp,
    /** By issuer; nothing where no list is built. */
    crlAges: buildsCrls ? crls.ages : undefined,
    lastCrl,
    /** Other issuers or roots are trusted. */
    authoritiesChanged: (): void => {
      ocsp.dropAll()
      void truststore?.changed()
    },
    start: (): void => {
      // Who publishes nothing builds nothing, but for a last list that is asked for.
      if (buildsCrls) void crls.start()
      truststore?.start()
    },
    stop: async (): Promise<void> => {
      await Promise.all([crls.stop(), truststore?.stop()])
    },
  }
}
