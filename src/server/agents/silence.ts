import type { AgentRecord } from '../../core/agent.ts'
import { second } from '../../core/time.ts'
import type { Held } from './held.ts'

export interface SilenceDeps {
  held: () => Held[]
  read: (principalIds: string[]) => Promise<AgentRecord[]>
  write: (held: Held) => Promise<void>
  clock: () => number
  onFailure: (error: unknown) => void
}

const lookEvery = 5 * second
const rowsPerRead = 100

/**
 * Finds the agents whose connection is there and who no longer report: a host that vanished without a packet. Where a
 * report went to another server, the row has its time.
 */
export const makeSilence = ({ held, read, write, clock, onFailure }: SilenceDeps) => {
  let timer: NodeJS.Timeout | undefined
  let looking = false

  const look = async (): Promise<void> => {
    const due = held().filter(
      (one) => one.stream !== undefined && clock() - one.heard_at > 2 * one.report_after * second,
    )
    for (let at = 0; at < due.length; at += rowsPerRead) {
      const some = due.slice(at, at + rowsPerRead)
      const rows = new Map(
        (await read([...new Set(some.map((one) => one.principal_id))])).map((row) => [row.principal_id, row]),
      )
      for (const one of some) {
        const reportedAt = rows.get(one.principal_id)?.reported_at ?? 0
        if (reportedAt > one.heard_at) {
          // Its report went elsewhere, and says by itself that the silence is over.
          one.heard_at = reportedAt
          one.silent = false
        }
        if (one.silent || clock() - one.heard_at <= 2 * one.report_after * second) continue
        await write(one)
        one.silent = true
      }
    }
  }

  return {
    start: (): void => {
      timer = setInterval(() => {
        if (looking) return
        looking = true
        look()
          .catch(onFailure)
          .finally(() => {
            looking = false
          })
      }, lookEvery)
    },
    stop: (): void => clearInterval(timer),
    /** One look, now: for tests. */
    look,
  }
}
