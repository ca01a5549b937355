import { minute, second } from '../core/time.ts'

/** What is known of a certificate's life; Unix milliseconds. */
export interface Life {
  from: number
  to: number
}

/** When the server wants it renewed; Unix milliseconds. */
export interface Window {
  renew_after: number
  renew_before: number
}

const share = 2 / 3
/** Of the life, to both sides. */
const jitter = 0.1

/**
 * When to renew a certificate: two thirds into its life, 10 % of it earlier or later, within the server's window when it
 * gave one. `random` in [0, 1). Unix milliseconds.
 */
export const renewalTime = ({ from, to }: Life, random: number, window?: Window): number => {
  const life = to - from
  const chosen = from + life * (share + jitter * (2 * random - 1))
  if (window === undefined || !(window.renew_after <= window.renew_before)) return Math.round(chosen)
  // A choice outside of the window is made again within it: at its edges all would meet.
  return chosen >= window.renew_after && chosen <= window.renew_before
    ? Math.round(chosen)
    : Math.round(window.renew_after + random * (window.renew_before - window.renew_after))
}

/**
 * How long a certificate that has just come is not renewed again, milliseconds: a clock that is wrong in a way that nothing
 * shows would make each successor due at once.
 */
export const restAfterRenewal = ({ from, to }: Life): number => Math.min(minute, (to - from) / 20)

/** A first wait after a failure, and the longest: short lives leave little time for tries. */
export const backoffBounds = ({ from, to }: Life): { first: number; most: number } => {
  const life = to - from
  return { first: Math.min(2 * second, life / 150), most: Math.min(5 * minute, Math.max(second, life / 30)) }
}
