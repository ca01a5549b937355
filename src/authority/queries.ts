import { ControlError } from '../core/errors.ts'
import { day } from '../core/time.ts'
import { type EventRecord, plainEvent } from '../store/audit-event.ts'
import type { Page } from '../store/pages.ts'
import type { Registry } from '../store/registry.ts'
import type { AuditEvent, AuditEventPage, ListAuditEvents } from '../wire/audit-events.ts'
import {
  type Certificate,
  type CertificatePage,
  type ListCertificates,
  renderCertificate,
} from '../wire/certificates.ts'
import { type JoinRule, type JoinRulePage, type ListJoinRules, renderJoinRule } from '../wire/join-rules.ts'
import { type JoinToken, type JoinTokenPage, type ListJoinTokens, renderJoinToken } from '../wire/join-tokens.ts'
import { type ListPrincipals, type Principal, type PrincipalPage, renderPrincipal } from '../wire/principals.ts'

export interface QueryDeps {
  registry: Pick<Registry, 'principals' | 'certificates' | 'audit' | 'joinTokens' | 'joinRules'>
  clock: () => number
  /** Latest expiry that any certificate can have, Unix milliseconds. */
  horizon: () => number
}

const defaultLimit = 50

const renderPage = <T, W>(page: Page<T>, render: (row: T) => W): { items: W[]; next_page_token?: string } => ({
  items: page.items.map(render),
  ...(page.next_page_token === undefined ? {} : { next_page_token: page.next_page_token }),
})

const renderEvent = (event: EventRecord): AuditEvent => plainEvent(event) as AuditEvent

/** The reading half of the plane: lists and single records, as the wire shows them. */
export const makeQueries = ({ registry, clock, horizon }: QueryDeps) => ({
  listPrincipals: async ({ limit = defaultLimit, ...query }: ListPrincipals): Promise<PrincipalPage> =>
    renderPage(await registry.principals.list({ ...query, limit }), (row) => renderPrincipal(row, clock())),

  getPrincipal: async (principalId: string): Promise<Principal> => {
    const principal = await registry.principals.get(principalId)
    if (principal === undefined) throw new ControlError('not_found', 'there is no principal of this id')
    return renderPrincipal(principal, clock())
  },

  listCertificates: async ({
    limit = defaultLimit,
    expires_before,
    ...query
  }: ListCertificates): Promise<CertificatePage> => {
    const now = clock()
    const page = await registry.certificates.list({
      ...query,
      ...(expires_before === undefined ? {} : { expires_before: Date.parse(expires_before) }),
      limit,
      now,
      horizon: horizon(),
    })
    return renderPage(page, (row) => renderCertificate(row, now))
  },

  getCertificate: async (serialNumber: string): Promise<Certificate> => {
    const certificate = await registry.certificates.get(serialNumber)
    if (certificate === undefined) throw new ControlError('not_found', 'there is no certificate of this serial number')
    return renderCertificate(certificate, clock())
  },

  listJoinTokens: async ({ limit = defaultLimit, ...query }: ListJoinTokens): Promise<JoinTokenPage> =>
    renderPage(await registry.joinTokens.list({ ...query, limit }), (row) => renderJoinToken(row, clock())),

  getJoinToken: async (id: string): Promise<JoinToken> => {
    const token = await registry.joinTokens.get(id)
    if (token === undefined) throw new ControlError('not_found', 'there is no join token of this id')
    return renderJoinToken(token, clock())
  },

  /** Oldest first: in the order in which they are asked. */
  listJoinRules: async ({ limit = defaultLimit, ...query }: ListJoinRules): Promise<JoinRulePage> =>
    renderPage(await registry.joinRules.list({ ...query, limit }), renderJoinRule),

  getJoinRule: async (id: string): Promise<JoinRule> => {
    const rule = await registry.joinRules.get(id)
    if (rule === undefined) throw new ControlError('not_found', 'there is no join rule of this id')
    return renderJoinRule(rule)
  },

  listAuditEvents: async ({
    limit = defaultLimit,
    since,
    until,
    ...query
  }: ListAuditEvents): Promise<AuditEventPage> => {
    const page = await registry.audit.list({
      ...query,
      since: since === undefined ? clock() - day : Date.parse(since),
      since_by_default: since === undefined,
      ...(until === undefined ? {} : { until: Date.parse(until) }),
      limit,
    })
    return renderPage(page, renderEvent)
  },
})
