import { second } from '../core/time.ts'
import type { Problem } from './problems.ts'
import type { Secrets } from './secrets.ts'
import type { SecretsOutcome, SecretsReader } from './secrets-reader.ts'

export type FirstSecrets =
  | { outcome: SecretsOutcome & { secrets: Secrets } }
  /** What is said of it, and the code to exit with. */
  | { problems: Problem[]; exitCode: 1 | 2 }

export interface Patience {
  /** For a Parameter Store that does not answer while nothing else serves. Milliseconds. */
  reach: number
  /** For parameters that do not fit each other: they may be in the middle of being written. Milliseconds. */
  settle: number
  pause: number
}

const usual: Patience = { reach: 60 * second, settle: 10 * second, pause: 2 * second }

/** The secrets to start with. Only the Parameter Store is waited for, and only as long as nothing else serves. */
export const readFirstSecrets = async (reader: SecretsReader, patience: Patience = usual): Promise<FirstSecrets> => {
  const started = performance.now()
  for (;;) {
    const { secrets, ...outcome } = await reader.read()
    if (secrets !== undefined) return { outcome: { secrets, ...outcome } }
    const { refused, problems, unread } = outcome
    if (refused === undefined) return { problems, exitCode: 2 }
    const left = (unread === undefined ? patience.settle : patience.reach) - (performance.now() - started)
    // Which variables would serve instead is of use only to those who cannot reach the Parameter Store.
    if (left < patience.pause)
      return unread === undefined
        ? { problems: refused, exitCode: 2 }
        : { problems: [...refused, ...problems], exitCode: 1 }
    await new Promise((resolve) => setTimeout(resolve, patience.pause))
  }
}
