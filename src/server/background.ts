import { makeOnceMore } from '../core/once-more.ts'
import { second } from '../core/time.ts'
import type { Log } from './log.ts'

export interface BackgroundDeps {
  /** Carries out the mass revocations that are open. */
  revoke(): Promise<void>
  /** Deletes principals of tasks and runs that are over. */
  removeDeparted(): Promise<void>
  /** One round of what is done for the audit chains of all servers. */
  watchAudit(): Promise<void>
  /** How often, milliseconds. */
  watchAuditEvery?: number | undefined
  /** Write down what was held back so that nobody could flood the audit log. */
  sweeps: (() => void)[]
  onStoreFailure(error: unknown): void
  log: Log
}

/** Milliseconds. Revocations and departures are looked for because another server may have left them behind. */
const lookForRevocationsEvery = 5 * second
const lookForDepartedEvery = 30 * second
const sweepEvery = 15 * second
const watchAuditEvery = 5 * second

/** What a server does without being asked. */
export const makeBackground = (deps: BackgroundDeps) => {
  const { revoke, removeDeparted, watchAudit, sweeps, onStoreFailure, log } = deps
  const timers: NodeJS.Timeout[] = []
  let watching: Promise<void> | undefined
  let stopped = true

  /** Nothing before the start, which asks itself. */
  const revocations = makeOnceMore(
    () => revoke().catch((error) => log.debug({ event: 'revocation_interrupted', reason: (error as Error).message })),
    () => !stopped,
  )

  return {
    runRevocations: revocations.ask,
    start: (): void => {
      stopped = false
      void revocations.ask()
      timers.push(
        setInterval(() => void revocations.ask(), lookForRevocationsEvery),
        setInterval(() => void removeDeparted().catch(onStoreFailure), lookForDepartedEvery),
        setInterval(() => {
          watching ??= watchAudit()
            .catch(onStoreFailure)
            .finally(() => {
              watching = undefined
            })
        }, deps.watchAuditEvery ?? watchAuditEvery),
        ...sweeps.map((sweep) => setInterval(sweep, sweepEvery)),
      )
    },
    /** Resolves when what runs has ended. */
    stop: async (): Promise<void> => {
      stopped = true
      for (const timer of timers) clearInterval(timer)
      await Promise.all([revocations.ended(), watching])
    },
  }
}
