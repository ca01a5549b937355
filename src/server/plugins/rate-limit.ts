import type { Clock } from '../../core/time.ts'

export interface RateLimitOptions {
  /** Requests that come back per second, and how many may be saved up. */
  perSecond: number
  burst: number
  clock: Clock
}

interface Bucket {
  tokens: number
  at: number
}

/**
 * A token bucket per key. Memory is bounded by who was active within the time that fills a bucket: older ones are full
 * again, which is what an absent one counts as, and are dropped from the front as others are touched.
 */
export const makeRateLimit = ({ perSecond, burst, clock }: RateLimitOptions) => {
  const buckets = new Map<string, Bucket>()
  const fillTime = (burst / perSecond) * 1000
  const dropFull = (now: number): void => {
    let looked = 0
    for (const [key, bucket] of buckets) {
      if (now - bucket.at < fillTime || looked === 2) return
      buckets.delete(key)
      looked += 1
    }
  }
  return {
    /** Takes one token; answers 0, or the whole seconds after which there is one again. */
    take: (key: string): number => {
      const now = clock()
      const before = buckets.get(key) ?? { tokens: burst, at: now }
      const elapsed = Math.max(0, now - before.at)
      const tokens = Math.min(burst, before.tokens + (elapsed * perSecond) / 1000)
      const enough = tokens >= 1
      // Deleted first: a map keeps insertion order, and the front must be the longest idle.
      buckets.delete(key)
      buckets.set(key, { tokens: enough ? tokens - 1 : tokens, at: now })
      dropFull(now)
      return enough ? 0 : Math.max(1, Math.ceil((1 - tokens) / perSecond))
    },
    size: (): number => buckets.size,
  }
}
export type RateLimit = ReturnType<typeof makeRateLimit>
