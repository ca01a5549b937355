import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { Verbs } from './plane.ts'

export interface AnnounceDeps {
  log: Log
  metrics: Pick<Metrics, 'certificateIssued'>
  /** What `whoami` shows of a principal has changed. */
  dropDecisions: (principalId: string) => void
}

/** The verbs, with a line in the log and a count for what each of them has decided. */
export const announce = (verbs: Verbs, { log, metrics, dropDecisions }: AnnounceDeps): Verbs => ({
  ...verbs,
  issueCertificate: async (request, body) => {
    const issued = await verbs.issueCertificate(request, body)
    const { serial_number, principal_id, principal_type, kind, expires_at } = issued.certificate
    metrics.certificateIssued(principal_type, kind)
    dropDecisions(principal_id)
    const { actor, request_id } = request.attribution
    log.info({ event: 'certificate_issued', serial_number, principal_id, expires_at, actor, request_id })
    return issued
  },
  renewCertificate: async (request, body) => {
    const issued = await verbs.renewCertificate(request, body)
    const { serial_number, principal_id, principal_type, kind, renewed_from } = issued.certificate
    metrics.certificateIssued(principal_type, kind)
    const { request_id } = request.attribution
    log.info({ event: 'certificate_renewed', serial_number, renewed_from, principal_id, request_id })
    return issued
  },
  revokeCertificate: async (request, serialNumber, body) => {
    const certificate = await verbs.revokeCertificate(request, serialNumber, body)
    const { serial_number, principal_id, revocation_reason } = certificate
    const { actor, request_id } = request.attribution
    log.info({ event: 'certificate_revoked', serial_number, principal_id, revocation_reason, actor, request_id })
    return certificate
  },
  suspendPrincipal: async (request, principalId, body, expected) => {
    const principal = await verbs.suspendPrincipal(request, principalId, body, expected)
    const { actor, request_id } = request.attribution
    log.info({ event: 'principal_suspended', principal_id: principalId, actor, request_id })
    return principal
  },
  activatePrincipal: async (request, principalId, expected) => {
    const principal = await verbs.activatePrincipal(request, principalId, expected)
    const { actor, request_id } = request.attribution
    log.info({ event: 'principal_activated', principal_id: principalId, actor, request_id })
    return principal
  },
  deletePrincipal: async (request, principalId) => {
    const principal = await verbs.deletePrincipal(request, principalId)
    const { actor, request_id } = request.attribution
    log.info({ event: 'principal_deleted', principal_id: principalId, actor, request_id })
    return principal
  },
  startRevocation: async (request, body) => {
    const revocation = await verbs.startRevocation(request, body)
    const { actor, request_id } = request.attribution
    log.info({ event: 'revocation_started', revocation_id: revocation.revocation_id, actor, request_id })
    return revocation
  },
})
