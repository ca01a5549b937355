import { makeOnceMore } from '../core/once-more.ts'
import { second } from '../core/time.ts'
import { awsReason } from './aws-reason.ts'
import type { Log } from './log.ts'
import type { ObjectStore } from './object-store.ts'

export interface TruststoreDeps {
  objects: ObjectStore
  /** Certificates of all issuers and roots that are trusted now, PEM. */
  text(): string
  /** True when this process may write it now: one server at a time does. */
  mayWrite(): Promise<boolean>
  /** Gives another server its turn. */
  letGo(): Promise<unknown>
  log: Pick<Log, 'info' | 'warn'>
  /** Between two looks, milliseconds. Absent: as in production. */
  lookEvery?: number | undefined
}

/** What relying parties read: the gateway or balancer that verifies our certificates. */
export const truststoreKey = 'truststore.pem'
/** Milliseconds. Also without a change: who was to write may be gone, and somebody else may have written. */
const usualLook = 60 * second
/** After so many failures in a row it may be that this server alone does not reach the bucket: others are let try. */
const mostFailures = 3
/** For so many looks: each of the others has one in that time. */
const looksLeftToOthers = 2
/** A bucket that is silent does not hold up the end of the process for longer. Milliseconds. */
const stopsWithin = 2 * second

/**
 * Keeps the truststore in its bucket equal to what is trusted here. An object is replaced whole, so a reader sees the former
 * or the new one and a kill at any line leaves one of them; the next look, here or on another server, finds what is missing.
 */
export const makeTruststore = ({ objects, text, mayWrite, letGo, log, lookEvery = usualLook }: TruststoreDeps) => {
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  let failures = 0
  /** On `performance.now()`: until then it is the turn of others. */
  let restsUntil = 0
  /** What was put and could not be read back. */
  let unread: Buffer | undefined

  /**
   * S3 says "forbidden" of an object that is not there yet to who may not list the bucket, so that a failed read is no reason
   * not to write. One time: where nobody may read at all, a version a minute would pile up.
   */
  const published = (body: Buffer): Promise<Buffer | undefined> =>
    objects.get(truststoreKey).catch((error) => {
      if (unread?.equals(body)) throw error
      return undefined
    })

  const lookOnce = async (): Promise<void> => {
    if (!(await mayWrite())) return
    const body = Buffer.from(text())
    if ((await published(body))?.equals(body)) return
    const version = await objects.put(truststoreKey, body, { contentType: 'application/x-pem-file' })
    unread = body
    // What a bucket accepts and what it gives out may be two things: a rule that copies, somebody who writes as well.
    if (!(await objects.get(truststoreKey))?.equals(body)) throw new Error('the bucket gives out something else')
    unread = undefined
    log.info({ event: 'truststore_published', object: truststoreKey, ...(version && { object_version: version }) })
  }

  const look = async (): Promise<void> => {
    if (performance.now() < restsUntil) return
    try {
      await lookOnce()
      failures = 0
    } catch (error) {
      // Once for each outage; the next look tries again.
      if (failures === 0) log.warn({ event: 'truststore_failed', object: truststoreKey, reason: awsReason(error) })
      failures++
      if (failures < mostFailures) return
      restsUntil = performance.now() + looksLeftToOthers * lookEvery
      // What the store does not take now ends by itself a little later.
      await letGo().catch(() => undefined)
    }
  }
  const looks = makeOnceMore(look, () => !stopped)

  return {
    /** After a change, which is no time to rest. */
    changed: (): Promise<void> => {
      restsUntil = 0
      return looks.ask()
    },
    start: (): void => {
      void looks.ask()
      timer = setInterval(() => void looks.ask(), lookEvery)
      timer.unref()
    },
    /** Resolves when what is being written has ended, or is late. */
    stop: async (): Promise<void> => {
      stopped = true
      clearInterval(timer)
      await Promise.race([looks.ended(), new Promise((late) => setTimeout(late, stopsWithin).unref())])
    },
  }
}
export type Truststore = ReturnType<typeof makeTruststore>
