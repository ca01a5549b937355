import type { Source } from '../auth/caller.ts'
import { JoinRefused } from '../auth/join/proof.ts'
import { sha256Hex } from '../core/bytes.ts'
import type { CertificateRecord } from '../core/certificate.ts'
import { ControlError, isControlError } from '../core/errors.ts'
import { AlreadyAnswered } from '../core/once.ts'
import { defaultMaxCertificates, type PrincipalRecord } from '../core/principal.ts'
import { second } from '../core/time.ts'
import { readCsr } from '../pki/csr.ts'
import type { EventDraft } from '../store/audit.ts'
import type { Registry } from '../store/registry.ts'
import type { Plan } from '../store/transaction.ts'
import type { Enroll, Enrollment } from '../wire/enrollments.ts'
import { renderPrincipal } from '../wire/principals.ts'
import { bindKey, type IssuingDeps, mustBeClientKey, renderIssued, type Signed, signFor } from './issuing.ts'
import type { JoinTicket } from './join-ticket.ts'
import { planAdmins } from './last-admin.ts'
import { countRejoin, stillUsable, whyNoRejoin } from './rejoin.ts'
import { isFullyRevoked, planRevoked } from './revoking.ts'

export interface EnrollDeps extends IssuingDeps {
  registry: Pick<
    Registry,
    'principals' | 'certificates' | 'keys' | 'crl' | 'admins' | 'departures' | 'answers' | 'commit'
  >
  /** Verifies the proof and says what it is good for; throws JoinRefused. `csrSha256`: of the DER, hex. */
  ticketFor: (body: Enroll, csrSha256: string, source: Source) => Promise<JoinTicket>
  /** How long a superseded certificate lives on, milliseconds. */
  supersedeGrace: number
}

/** A transaction holds 100 items: 4 for each certificate that is displaced, and up to 16 others. */
const displacedAtOnce = 20
const largestMetadata = 16

/** What the machine says of itself, and over it what whoever let it in says of it. */
const metadataOf = (body: Enroll, ticket: JoinTicket): Record<string, string> => {
  const metadata = { ...body.metadata, ...ticket.metadata }
  if (Object.keys(metadata).length > largestMetadata)
    throw new ControlError('invalid_request', `there may be at most ${largestMetadata} pairs of metadata in all`)
  return metadata
}

interface Joining {
  ticket: JoinTicket
  signed: Signed
  metadata: Record<string, string>
  now: number
}

const newPrincipal = ({ ticket, signed: { record }, metadata, now }: Joining): PrincipalRecord => ({
  principal_id: record.principal_id,
  type: ticket.principal_type,
  status: 'active',
  created_at: now,
  created_by: ticket.by,
  updated_at: now,
  version: 1,
  revision: 1,
  max_certificates: defaultMaxCertificates,
  metadata,
  joined_by: ticket.by,
  rejoins: 0,
  rejoin_blocked: false,
  active_serials: { [record.serial_number]: { expires_at: record.expires_at } },
})

/** The event that proves the transaction comes first. */
const issueEvent = ({ ticket, signed: { record } }: Joining): EventDraft => ({
  action: 'certificate.issue',
  target: record.serial_number,
  after: {
    principal_id: record.principal_id,
    fingerprint: record.fingerprint,
    expires_at: record.expires_at,
    kind: record.kind,
    ...(ticket.subject === undefined ? {} : { subject: ticket.subject }),
  },
})

/**
 * Lets a machine join: it becomes a principal with its first certificate, or comes back as the one it was. Throws JoinRefused,
 * whose reason the caller is not told, and AlreadyAnswered when this proof and request were answered before.
 */
export const makeEnroll = (deps: EnrollDeps) => {
  const { registry, clock } = deps

  /** Everything but what is displaced by a rejoin: the certificate, its key, the proof, and when to look after it. */
  const commonWrites = ({ ticket, signed: { record } }: Joining): Plan<Enrollment>['writes'] => [
    { item: registry.certificates.create(record) },
    bindKey(deps, registry, record),
    ...(ticket.delete_after_expiry_seconds === undefined
      ? []
      : [
          {
            item: registry.departures.schedule({
              principal_id: record.principal_id,
              due_at: record.expires_at + ticket.delete_after_expiry_seconds * second,
              delete_after_expiry_seconds: ticket.delete_after_expiry_seconds,
            }),
          },
        ]),
  ]

  const render = ({ signed, now }: Joining, after: PrincipalRecord): Enrollment => ({
    ...renderIssued(signed, deps.trustBundlePem(), now),
    principal: renderPrincipal(after, now),
  })

  const planJoin = async (
    joining: Joining,
    spent: Awaited<ReturnType<JoinTicket['spend']>>,
  ): Promise<Plan<Enrollment>> => {
    const principal = newPrincipal(joining)
    return {
      writes: [
        { item: registry.principals.create(principal) },
        ...commonWrites(joining),
        ...spent.writes,
        ...(await planAdmins(registry, [principal], joining.now)),
      ],
      events: [
        issueEvent(joining),
        { action: 'principal.create', target: principal.principal_id, after: { type: principal.type } },
        ...spent.events,
      ],
      changes: [],
      answer: render(joining, principal),
    }
  }

  const planRejoin = async (
    joining: Joining,
    spent: Awaited<ReturnType<JoinTicket['spend']>>,
    holder: PrincipalRecord,
    displaced: CertificateRecord[],
  ): Promise<Plan<Enrollment>> => {
    const { ticket, now } = joining
    const { serial_number, expires_at } = joining.signed.record
    const set = { ...countRejoin(holder, ticket, now), active_serials: { [serial_number]: { expires_at } } }
    const after = { ...holder, ...set }
    const writes = [
      { item: registry.principals.change(holder, set) },
      ...commonWrites(joining),
      ...spent.writes,
      ...(await planAdmins(registry, [after], now)),
    ]
    const events: [EventDraft, ...EventDraft[]] = [
      issueEvent(joining),
      {
        action: 'principal.rejoin',
        target: holder.principal_id,
        before: { rejoins: holder.rejoins },
        after: { rejoins: after.rejoins, serial_number },
      },
      ...spent.events,
    ]
    const answer = render(joining, after)
    if (displaced.length === 0) return { writes, events, changes: [], answer }
    const revoked = planRevoked(registry, displaced, 'superseded', now, writes)
    return { ...revoked, events: [...events, ...revoked.events], answer }
  }

  /** Ends predecessors within their grace for which the transaction of the rejoin had no room. */
  const revokeRest = async (source: Source, by: string, principalId: string, serials: string[]): Promise<void> => {
    for (let at = 0; at < serials.length; at += displacedAtOnce)
      await registry.commit<undefined>({
        attribution: { actor: by, ...source },
        exclusive: `principal:${principalId}`,
        plan: async () => {
          const rows = await registry.certificates.getMany(serials.slice(at, at + displacedAtOnce))
          const rest = rows.filter((row) => !isFullyRevoked(row))
          if (rest.length === 0) return { unchanged: undefined }
          return { ...planRevoked(registry, rest, 'superseded', clock(), []), answer: undefined }
        },
      })
  }

  return async (source: Source, body: Enroll): Promise<Enrollment> => {
    const csr = readCsr(body.csr_pem)
    // 1. The proof. Nothing is read or written for one that proves nothing.
    const ticket = await deps.ticketFor(body, sha256Hex(csr.der), source)
    const { once } = ticket
    const giveAgain = async (): Promise<void> => {
      const kept = await registry.answers.find(once.key)
      if (kept !== undefined) throw new AlreadyAnswered(kept.status, kept.body)
    }
    await giveAgain()
    mustBeClientKey(deps, csr)
    const metadata = metadataOf(body, ticket)
    const principalId = ticket.principalId(body.principal_id)

    const read = async () => {
      const [spent, holder] = await Promise.all([ticket.spend(principalId), registry.principals.get(principalId)])
      const why = holder && whyNoRejoin(holder, ticket, clock())
      if (why !== undefined) throw new JoinRefused(why, { by: ticket.by, principal_id: principalId })
      return { spent, holder }
    }
    try {
      // 2. Refuse what is refused anyway before anything is signed.
      let first: Awaited<ReturnType<typeof read>> | undefined = await read()
      // 3. Sign in memory and compare with what was granted. A crash leaves nothing: the certificate has not left.
      const longest = Math.floor(deps.maxValidity / second)
      const signed = await signFor(deps, { principal_id: principalId, type: ticket.principal_type }, csr, {
        validity_seconds: ticket.validity_seconds && Math.min(ticket.validity_seconds, longest),
        kind: 'enrolled',
        issued_by: ticket.by,
      })
      // 4. One transaction: the proof's use, principal, certificate, key, events, kept answer. A crash after it leaves a
      //    certificate that the same proof with the same request hands out again, while the proof is good.
      let rest: string[] = []
      const answer = await registry.commit<Enrollment>({
        attribution: { actor: ticket.by, ...source },
        once,
        exclusive: ticket.exclusive,
        plan: async () => {
          const { spent, holder } = first ?? (await read())
          first = undefined
          const joining = { ticket, signed, metadata, now: clock() }
          if (holder === undefined) return planJoin(joining, spent)
          const displaced = await stillUsable(registry, holder, deps.supersedeGrace, joining.now)
          rest = displaced.slice(displacedAtOnce).map((row) => row.serial_number)
          return planRejoin(joining, spent, holder, displaced.slice(0, displacedAtOnce))
        },
      })
      // 5. Seldom there is more. A crash leaves predecessors that end with their grace.
      await revokeRest(source, ticket.by, principalId, rest)
      return answer
    } catch (error) {
      if (isControlError(error, 'last_admin'))
        throw new JoinRefused('rejoining would leave no admin', { by: ticket.by, principal_id: principalId })
      // Of two alike at the same time, the one that comes second finds the proof spent by the first.
      if (error instanceof JoinRefused) await giveAgain()
      throw error
    }
  }
}
