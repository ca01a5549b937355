import { minute, second } from '../core/time.ts'

/** How patient the guard of the tables is. Milliseconds. */
export const usualTiming = {
  /** From one look at tables and memory to the next: while all is well, and while nobody is let in. */
  lookEvery: 20 * second,
  lookAgain: 2 * second,
  /** The mark moves so often, by whichever process comes first, though nobody has taken a right away. */
  moveEvery: minute,
  /** After a change, the mark moves so soon: where the memory is quick, and where it is not (when a right was taken away). */
  quickDelay: second,
  slowDelay: 2 * second,
  /** An answer waits so long for a quick memory, and a caller for the first look. */
  patience: 2 * second,
  /** What tables and memory may take for one look or move. */
  budget: 15 * second,
}

/** Told again that nobody is let in. Milliseconds. */
export const tellAgainEvery = minute

/** What an operator does about it. */
export const advice =
  'if the tables were restored, run `airunner restore confirm`; if they surely were not, `airunner restore accept` (docs/restore.md)'
