import type { Authority } from '../../wire/authorities.ts'
import { nearEndLines } from '../ca/near-end.ts'
import { type Check, ok, warn } from './check.ts'

/** Issuers and roots: whether one that is in use, or is to be, is about to end. For those who may see them. */
export const checkAuthorities = (authorities: Authority[], now: number): Check => {
  const check = 'issuers and roots'
  const lines = nearEndLines(authorities, now)
  if (lines.length > 0) return warn(check, lines.join(' '), '`airunner ca list` shows all of them.')
  return ok(check, 'none in use ends within 30 days')
}
