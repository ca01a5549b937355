import type { Source } from '../auth/caller.ts'
import { JoinKeyTaken, JoinRefused } from '../auth/join/proof.ts'
import { sha256Hex } from '../core/bytes.ts'
import type { CertificateRecord } from '../core/certificate.ts'
import { ControlError, isControlError } from '../core/errors.ts'
import { AlreadyAnswered, type Once } from '../core/once.ts'
import { defaultMaxCertificates, type PrincipalRecord } from '../core/principal.ts'
import { second } from '../core/time.ts'
import { readCsr } from '../pki/csr.ts'
import type { EventDraft } from '../store/audit-event.ts'
import type { Change } from '../store/feed.ts'
import type { Registry } from '../store/registry.ts'
import type { Plan } from '../store/transaction.ts'
import type { Enroll, Enrollment } from '../wire/enrollments.ts'
import { renderPrincipal } from '../wire/principals.ts'
import {
  bindKey,
  type IssuingDeps,
  keyTaken,
  mustBeClientKey,
  renderIssued,
  type Signed,
  signedByActive,
  signFor,
} from './issuing.ts'
import { joinedWith } from './join-again.ts'
import type { JoinTicket } from './join-ticket.ts'
import { planAdmins } from './last-admin.ts'
import { countRejoin, displacedBy, whyNoRejoin } from './rejoin.ts'
import { planRevoked } from './revoking.ts'

export interface EnrollDeps extends IssuingDeps {
  registry: Pick<
    Registry,
    'principals' | 'certificates' | 'keys' | 'crl' | 'admins' | 'departures' | 'answers' | 'commit'
  >
  /** Verifies the proof and says what it is good for; throws JoinRefused. `csrSha256`: of the DER, hex. */
  ticketFor: (body: Enroll, csrSha256: string, source: Source) => Promise<JoinTicket>
  /** How long a superseded certificate lives on, milliseconds. */
  supersedeGrace: number
  /** The certificate of an issuer, PEM; undefined when it is none of ours any more. */
  issuerPem: (issuerId: string) => string | undefined
}

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

/** A certificate that this very key was given, by a join whose answer may not have arrived. */
interface Again {
  record: CertificateRecord
  /** Of its issuer. */
  pem: string
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
    // Whatever was decided of predecessors in their grace is decided anew.
    const changes: Change[] = [{ type: 'principal_updated', principal_id: holder.principal_id }]
    if (displaced.length === 0) return { writes, events, changes, answer }
    // A transaction holds 100 items: 4 for each certificate that is displaced, and up to 16 others.
    const revoked = planRevoked(registry, displaced, 'superseded', now, writes)
    return {
      writes: revoked.writes,
      events: [...events, ...revoked.events],
      changes: [...revoked.changes, ...changes],
      answer,
    }
  }

  /** Nothing but the proof's use changes. */
  const planAgain = (
    ticket: JoinTicket,
    spent: Awaited<ReturnType<JoinTicket['spend']>>,
    holder: PrincipalRecord,
    { record, pem }: Again,
  ): Plan<Enrollment> => {
    const now = clock()
    const { serial_number, principal_id } = record
    return {
      writes: spent.writes,
      events: [
        {
          action: 'join.repeat',
          target: serial_number,
          after: { principal_id, ...(ticket.subject === undefined ? {} : { subject: ticket.subject }) },
        },
        ...spent.events,
      ],
      changes: [],
      answer: {
        ...renderIssued({ record, issuer: { pem } }, deps.trustBundlePem(), now),
        principal: renderPrincipal(holder, now),
      },
    }
  }

  return async (source: Source, body: Enroll): Promise<Enrollment> => {
    const csr = readCsr(body.csr_pem)
    // 1. The proof. Nothing is read or written for one that proves nothing.
    const ticket = await deps.ticketFor(body, sha256Hex(csr.der), source)
    const giveAgain = async ({ key }: Once, read?: JoinTicket['kept']): Promise<void> => {
      const kept = read ? read.answer : await registry.answers.find(key)
      if (kept !== undefined) throw new AlreadyAnswered(kept.status, kept.body)
    }
    await giveAgain(ticket.once, ticket.kept)
    const metadata = metadataOf(body, ticket)
    const principalId = ticket.principalId(body.principal_id)
    const who = { by: ticket.by, principal_id: principalId }

    const read = async () => {
      const [spent, holder] = await Promise.all([ticket.spend(principalId), registry.principals.get(principalId)])
      const why = holder && whyNoRejoin(holder, ticket, clock())
      if (holder === undefined || why === undefined) return { spent, holder }
      const record = await joinedWith(registry, holder, ticket, csr.spki_sha256, clock())
      const pem = record && deps.issuerPem(record.issuer_id)
      if (record === undefined || pem === undefined) throw new JoinRefused(why, who)
      return { spent, holder, again: { record, pem } }
    }
    try {
      // 2. Refuse what is refused anyway before anything is signed.
      mustBeClientKey(deps, csr)
      const [before, key] = await Promise.all([read(), registry.keys.get(csr.spki_sha256)])
      if (key !== undefined && (key.principal_id !== principalId || key.compromised_at !== undefined)) throw keyTaken()
      let first: Awaited<ReturnType<typeof read>> | undefined = before
      // A proof that may be used again could repeat its question in other words without end: one answer is kept of them all.
      const again = first.again && ticket.onceAgain?.(first.again.record.serial_number)
      if (again !== undefined) await giveAgain(again)
      const once = again ?? ticket.once
      // 3. Sign in memory and compare with what was granted. A crash leaves nothing: the certificate has not left.
      //    Not for a key that has its certificate: it is handed out again.
      const longest = Math.floor(deps.maxValidity / second)
      const sign = () =>
        signFor(deps, { principal_id: principalId, type: ticket.principal_type }, csr, {
          validity_seconds: ticket.validity_seconds && Math.min(ticket.validity_seconds, longest),
          kind: 'enrolled',
          issued_by: ticket.by,
        })
      let signed = first.again === undefined ? await sign() : undefined
      // 4. One transaction: the proof's use, principal, certificate, key, events, kept answer. A crash after it leaves a
      //    certificate that the same proof with the same request hands out again, while the proof is good.
      const answer = await registry.commit<Enrollment>({
        attribution: { actor: ticket.by, ...source },
        once,
        exclusive: ticket.exclusive,
        plan: async () => {
          const { spent, holder, again } = first ?? (await read())
          first = undefined
          if (again !== undefined) return planAgain(ticket, spent, holder, again)
          if (signed === undefined)
            throw new ControlError('overloaded', 'the certificate has just ended', { retryAfterSeconds: 1 })
          signed = await signedByActive(deps, signed, sign)
          const joining = { ticket, signed, metadata, now: clock() }
          if (holder === undefined) return planJoin(joining, spent)
          return planRejoin(
            joining,
            spent,
            holder,
            await displacedBy(registry, holder, deps.supersedeGrace, joining.now),
          )
        },
      })
      // Nothing was issued: nobody is to count or announce it as if it were.
      if (answer.certificate.serial_number !== signed?.record.serial_number)
        throw new AlreadyAnswered(once.status, answer)
      return answer
    } catch (error) {
      if (isControlError(error, 'last_admin')) throw new JoinRefused('rejoining would leave no admin', who)
      const keyIsTaken = isControlError(error, 'key_already_registered')
      // Of two alike at the same time, the one that comes second finds the proof spent by the first, and the key taken.
      if (keyIsTaken || error instanceof JoinRefused) await giveAgain(ticket.once)
      throw keyIsTaken ? new JoinKeyTaken(who) : error
    }
  }
}
