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
  enroll: async (source, body) => {
    const enrollment = await verbs.enroll(source, body)
    const { serial_number, principal_id, principal_type, kind, expires_at, issued_by } = enrollment.certificate
    const { rejoins } = enrollment.principal
    metrics.certificateIssued(principal_type, kind)
    dropDecisions(principal_id)
    const { request_id } = source
    log.info({ event: 'principal_joined', principal_id, serial_number, expires_at, rejoins, by: issued_by, request_id })
    return enrollment
  },
  createJoinToken: async (request, body) => {
    const token = await verbs.createJoinToken(request, body)
    const { join_token_id, principal_type, max_uses } = token
    const { actor, request_id } = request.attribution
    log.info({ event: 'join_token_created', join_token_id, principal_type, max_uses, actor, request_id })
    return token
  },
  revokeJoinToken: async (request, joinTokenId) => {
    const token = await verbs.revokeJoinToken(request, joinTokenId)
    const { actor, request_id } = request.attribution
    log.info({ event: 'join_token_revoked', join_token_id: joinTokenId, actor, request_id })
    return token
  },
  createJoinRule: async (request, body) => {
    const rule = await verbs.createJoinRule(request, body)
    const { actor, request_id } = request.attribution
    log.info({ event: 'join_rule_created', join_rule_id: rule.join_rule_id, method: rule.method, actor, request_id })
    return rule
  },
  updateJoinRule: async (request, joinRuleId, body, expected) => {
    const rule = await verbs.updateJoinRule(request, joinRuleId, body, expected)
    const { actor, request_id } = request.attribution
    log.info({ event: 'join_rule_updated', join_rule_id: joinRuleId, enabled: rule.enabled, actor, request_id })
    return rule
  },
  deleteJoinRule: async (request, joinRuleId) => {
    const rule = await verbs.deleteJoinRule(request, joinRuleId)
    const { actor, request_id } = request.attribution
    log.info({ event: 'join_rule_deleted', join_rule_id: joinRuleId, actor, request_id })
    return rule
  },
  sendCommand: async (request, principalId, body) => {
    const sent = await verbs.sendCommand(request, principalId, body)
    const { command_id, command } = sent
    const { actor, request_id } = request.attribution
    log.info({ event: 'command_sent', command_id, command, principal_id: principalId, actor, request_id })
    return sent
  },
})
