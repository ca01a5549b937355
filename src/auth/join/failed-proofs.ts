import { isIPv6 } from 'node:net'
import { minute } from '../../core/time.ts'

/** Failed proofs of one source, per minute and process. */
const failuresPerMinute = 30
/** Sources that are followed at once; of more, the longest known is forgotten. */
const maximumSources = 10_000

/** Eight groups of an IPv6 address, whatever was left out of its text. @see RFC 4291 §2.2 */
const groupsOf = (address: string): string[] => {
  const [head = '', tail] = (address.split('%')[0] as string).split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const missing = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length)
  return [...before, ...Array.from({ length: missing }, () => '0'), ...after].map((group) =>
    Number.parseInt(group, 16).toString(16),
  )
}

/** Who counts as one: an IPv4 address, or the /64 of an IPv6 address, which one machine has all of. */
export const sourceOf = (address: string): string =>
  isIPv6(address) ? `${groupsOf(address).slice(0, 4).join(':')}::/64` : address

/**
 * Counts proofs that have failed. Good ones are never counted, and never refused for the sake of a neighbour behind the
 * same address: the count decides only what a failure is answered with, and for whom others are still asked.
 */
export const makeFailedProofs = (clock: () => number) => {
  const sources = new Map<string, { since: number; failures: number }>()

  const windowOf = (address: string) => {
    const known = sources.get(sourceOf(address))
    const age = known === undefined ? minute : clock() - known.since
    return age >= 0 && age < minute ? known : undefined
  }
  const secondsLeft = ({ since }: { since: number }): number =>
    Math.max(1, Math.ceil((since + minute - clock()) / 1000))

  return {
    /** Counts one more. Answers 0, or the seconds until the next is answered as what it is. */
    count: (address: string): number => {
      const key = sourceOf(address)
      const known = windowOf(address)
      if (known === undefined) {
        sources.delete(key)
        if (sources.size >= maximumSources) sources.delete(sources.keys().next().value as string)
        sources.set(key, { since: clock(), failures: 1 })
        return 0
      }
      known.failures += 1
      return known.failures > failuresPerMinute ? secondsLeft(known) : 0
    },
    /** Seconds until a source that has used up its failures may try again; 0 for any other. */
    wait: (address: string): number => {
      const known = windowOf(address)
      return known !== undefined && known.failures >= failuresPerMinute ? secondsLeft(known) : 0
    },
  }
}
export type FailedProofs = ReturnType<typeof makeFailedProofs>
