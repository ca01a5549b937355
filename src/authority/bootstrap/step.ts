import type { Outcome } from './keys.ts'

export interface BootstrapStep {
  number: 1 | 2 | 3 | 4 | 5 | 6
  title: string
  outcome: Outcome | 'passed' | 'missing'
  /** What else is worth a word. */
  detail?: string
}
