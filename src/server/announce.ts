import type { Source } from '../auth/caller.ts'
import type { CallerRequest } from '../authority/request.ts'
import type { Certificate, IssuedCertificate } from '../wire/certificates.ts'
import type { Log, LogFields } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { Verbs } from './plane.ts'

export interface AnnounceDeps {
  log: Log
  metrics: Pick<Metrics, 'certificateIssued'>
  /** What was decided of a principal's certificates, or what `whoami` shows of it, has changed. */
  dropDecisions: (principalId: string) => void
}

type Answer<V extends keyof Verbs> = Awaited<ReturnType<Verbs[V]>>
type Told = {
  [V in keyof Verbs]?: (answer: Answer<V>, ...asked: Parameters<Verbs[V]>) => LogFields
}

/** What the log says of each verb that has decided something; who asked is added to all of them. */
const lines = {
  issueCertificate: ({ certificate: { serial_number, principal_id, expires_at } }) => ({
    event: 'certificate_issued',
    serial_number,
    principal_id,
    expires_at,
  }),
  renewCertificate: ({ certificate: { serial_number, renewed_from, principal_id } }) => ({
    event: 'certificate_renewed',
    serial_number,
    renewed_from,
    principal_id,
  }),
  revokeCertificate: ({ serial_number, principal_id, revocation_reason }) => ({
    event: 'certificate_revoked',
    serial_number,
    principal_id,
    revocation_reason,
  }),
  suspendPrincipal: ({ principal_id }) => ({ event: 'principal_suspended', principal_id }),
  activatePrincipal: ({ principal_id }) => ({ event: 'principal_activated', principal_id }),
  deletePrincipal: ({ principal_id }) => ({ event: 'principal_deleted', principal_id }),
  startRevocation: ({ revocation_id }) => ({ event: 'revocation_started', revocation_id }),
  enroll: ({ certificate: { serial_number, principal_id, expires_at, issued_by: by }, principal: { rejoins } }) => ({
    event: 'principal_joined',
    principal_id,
    serial_number,
    expires_at,
    rejoins,
    by,
  }),
  createJoinToken: ({ join_token_id, principal_type, max_uses }) => ({
    event: 'join_token_created',
    join_token_id,
    principal_type,
    max_uses,
  }),
  revokeJoinToken: ({ join_token_id }) => ({ event: 'join_token_revoked', join_token_id }),
  createJoinRule: ({ join_rule_id, method }) => ({ event: 'join_rule_created', join_rule_id, method }),
  updateJoinRule: ({ join_rule_id, enabled }) => ({ event: 'join_rule_updated', join_rule_id, enabled }),
  deleteJoinRule: ({ join_rule_id }) => ({ event: 'join_rule_deleted', join_rule_id }),
  sendCommand: ({ command_id, command }, _request, principal_id) => ({
    event: 'command_sent',
    command_id,
    command,
    principal_id,
  }),
  prepareAuthority: ({ authority: { issuer_id, state } }) => ({ event: 'authority_prepared', issuer_id, state }),
  activateAuthority: ({ issuer_id }, _request, _id, { force }) => ({
    event: 'authority_activated',
    issuer_id,
    ...(force ? { force } : {}),
  }),
  retireAuthority: ({ issuer_id }) => ({ event: 'authority_retired', issuer_id }),
  removeAuthority: ({ issuer_id }, _request, _id, { force }) => ({
    event: 'authority_removed',
    issuer_id,
    ...(force ? { force } : {}),
  }),
} satisfies Told

/** The verbs, with a line in the log and a count for what each of them has decided. */
export const announce = (verbs: Verbs, { log, metrics, dropDecisions }: AnnounceDeps): Verbs => {
  type Asked = CallerRequest | Source
  const askedBy = (asked: Asked) =>
    'attribution' in asked
      ? { actor: asked.attribution.actor, request_id: asked.attribution.request_id }
      : { request_id: asked.request_id }
  type Verb = (...asked: [Asked, ...unknown[]]) => Promise<object>
  type Line = (answer: object, ...asked: [Asked, ...unknown[]]) => LogFields

  const told = Object.entries(lines as unknown as Record<string, Line>).map(([name, line]) => {
    const verb = verbs[name as keyof Verbs] as unknown as Verb
    const announced: Verb = async (...asked) => {
      const answer = await verb(...asked)
      if ('certificate' in answer) {
        const { principal_id, principal_type, kind } = (answer as IssuedCertificate).certificate
        metrics.certificateIssued(principal_type, kind)
        // Of a renewal, what the caller's other decisions show stays as it was.
        if (kind !== 'renewed') dropDecisions(principal_id)
      }
      // Another server may have revoked some of them a moment before, of which the feed tells later than this answer.
      if (name === 'revokeCertificate') dropDecisions((answer as Certificate).principal_id)
      log.info({ ...line(answer, ...asked), ...askedBy(asked[0]) })
      return answer
    }
    return [name, announced]
  })
  return { ...verbs, ...Object.fromEntries(told) }
}
