import type { CertificateRecord } from '../core/certificate.ts'
import type { RenewalWindow } from '../core/renewal-window.ts'
import { toRfc3339 } from '../core/time.ts'
import type { Registry } from '../store/registry.ts'
import type { ReportStatus, StatusAnswer } from '../wire/agents.ts'
import type { CallerRequest } from './request.ts'

/** What this process knows of the agent that reports. */
export interface Heard {
  /** Whether the store has to learn of the report: it says something new, or another server holds the stream. */
  news: boolean
  /** Called when it has. */
  written(): void
}

export interface ReportStatusDeps {
  registry: Pick<Registry, 'agents'>
  clock: () => number
  /** Notes that an agent has spoken. */
  heard: (caller: { principal_id: string; serial_number: string }, report: ReportStatus) => Promise<Heard>
  renewalWindow: (certificate: CertificateRecord) => RenewalWindow
  /** Whole seconds. */
  reportAfter: () => number
}

/** An agent reports: written where something has changed, and otherwise remembered by the server that holds its stream. */
export const makeReportStatus =
  ({ registry, clock, heard, renewalWindow, reportAfter }: ReportStatusDeps) =>
  async ({ caller: { principal, certificate } }: CallerRequest, report: ReportStatus): Promise<StatusAnswer> => {
    const { principal_id } = principal
    const { news, written } = await heard({ principal_id, serial_number: certificate.serial_number }, report)
    if (news) {
      await registry.agents.report(principal_id, report, clock(), certificate.expires_at)
      written()
    }
    const { renew_after, renew_before } = renewalWindow(certificate)
    return {
      report_after_seconds: reportAfter(),
      renew_after: toRfc3339(renew_after),
      renew_before: toRfc3339(renew_before),
    }
  }
