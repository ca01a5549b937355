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
  let revoking: Promise<void> | undefined
  let again = false
  let watching: Promise<void> | undefined
  let stopped = true

  const revokeAll = async (): Promise<void> => {
    while (again && !stopped) {
      again = false
      await revoke().catch((error) => log.debug({ event: 'revocation_interrupted', reason: (error as Error).message }))
    }
  }
  /** One after the other; whoever calls meanwhile has it done once more. Nothing before the start, which looks itself. */
  const runRevocations = async (): Promise<void> => {
    again = true
    if (stopped) return
    revoking ??= revokeAll().finally(() => {
      revoking = undefined
    })
    await revoking
  }

  return {
    runRevocations,
    start: (): void => {
      stopped = false
      void runRevocations()
      timers.push(
        setInterval(() => void runRevocations(), lookForRevocationsEvery),
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
      await Promise.all([revoking, watching])
    },
  }
}
