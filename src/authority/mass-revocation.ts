import { randomUUID } from 'node:crypto'
import type { Attribution } from '../core/audit.ts'
import type { CertificateRecord } from '../core/certificate.ts'
import { ControlError, isControlError } from '../core/errors.ts'
import { timeOrderedId } from '../core/ids.ts'
import { liveLineages, type PrincipalRecord } from '../core/principal.ts'
import type { RevocationFilter, RevocationRecord } from '../core/revocation.ts'
import { second, toRfc3339 } from '../core/time.ts'
import { withDeadline } from '../store/deadline.ts'
import type { Registry } from '../store/registry.ts'
import type { Revocation, StartRevocation } from '../wire/revocations.ts'
import { planAdmins } from './last-admin.ts'
import type { CallerRequest } from './request.ts'
import { blocksRejoin, planRevoked, withoutSerials } from './revoking.ts'

export interface MassRevocationDeps {
  registry: Pick<Registry, 'principals' | 'certificates' | 'crl' | 'keys' | 'admins' | 'revocations' | 'commit'>
  clock: () => number
  /** Latest expiry that any certificate can have, Unix milliseconds. */
  horizon: () => number
}

const renderRevocation = (record: RevocationRecord): Revocation => ({
  revocation_id: record.revocation_id,
  state: record.state,
  dry_run: record.dry_run,
  reason: record.reason,
  matched: record.matched,
  revoked: record.revoked,
  created_at: toRfc3339(record.created_at),
  created_by: record.created_by,
  ...(record.completed_at === undefined ? {} : { completed_at: toRfc3339(record.completed_at) }),
})

/** Registers a mass revocation, which some server then carries out in the background. */
export const makeStartRevocation =
  ({ registry, clock }: MassRevocationDeps) =>
  (request: CallerRequest, body: StartRevocation): Promise<Revocation> => {
    const { principal_id, issuer_id, issued_before, all } = body
    const filter: RevocationFilter = {
      ...(principal_id === undefined ? {} : { principal_id }),
      ...(issuer_id === undefined ? {} : { issuer_id }),
      ...(issued_before === undefined ? {} : { issued_before: Date.parse(issued_before) }),
    }
    if (Object.keys(filter).length === 0 && all !== true)
      throw new ControlError(
        'invalid_request',
        'say which certificates: principal_id, issuer_id, issued_before, or all',
      )
    if (Object.keys(filter).length > 0 && all === true)
      throw new ControlError('invalid_request', 'all goes with no other filter')
    const now = clock()
    const { actor, request_id, remote_address } = request.attribution
    const record: RevocationRecord = {
      revocation_id: timeOrderedId(now),
      state: 'pending',
      filter,
      reason: body.reason,
      dry_run: body.dry_run ?? false,
      created_at: now,
      created_by: actor,
      spared_serial: request.caller.certificate.serial_number,
      request_id,
      remote_address,
      matched: 0,
      revoked: 0,
    }
    return registry.commit({
      attribution: request.attribution,
      once: request.once,
      exclusive: `revocation:${record.revocation_id}`,
      plan: async () => ({
        writes: registry.revocations.create(record).map((item) => ({ item })),
        events: [
          {
            action: 'revocation.start',
            target: record.revocation_id,
            after: { ...filter, ...(all ? { all } : {}), reason: record.reason, dry_run: record.dry_run },
          },
        ],
        changes: [{ type: 'revocation_started', revocation_id: record.revocation_id }],
        answer: renderRevocation(record),
      }),
    })
  }

export const makeGetRevocation =
  ({ registry }: Pick<MassRevocationDeps, 'registry'>) =>
  async (revocationId: string): Promise<Revocation> => {
    const record = await registry.revocations.get(revocationId)
    if (record === undefined) throw new ControlError('not_found', 'there is no revocation of this id')
    return renderRevocation(record)
  }

/** Certificates per transaction: each takes 5 items, and so may its unused successor. */
const targetsAtOnce = 8
/** A server that does not renew its lease for so long has crashed. Milliseconds. */
const leaseTime = 15 * second

/**
 * Carries out the open mass revocations, one server each at a time. Its counters move in the same transaction as the
 * certificates, so a server that takes over from one that crashed goes on with true numbers.
 */
export const makeRevocationWorker = ({ registry, clock, horizon }: MassRevocationDeps) => {
  const owner = randomUUID()

  const matches = (record: RevocationRecord, row: CertificateRecord): boolean => {
    const { filter } = record
    return (
      !row.revoked &&
      row.serial_number !== record.spared_serial &&
      row.expires_at > clock() &&
      row.issued_at < Math.min(record.created_at + 1, filter.issued_before ?? Number.POSITIVE_INFINITY) &&
      (filter.principal_id === undefined || row.principal_id === filter.principal_id) &&
      (filter.issuer_id === undefined || row.issuer_id === filter.issuer_id)
    )
  }

  /** Revokes some certificates with their unused successors, in one transaction. How many it revoked. */
  const revokeSome = async (record: RevocationRecord, serials: string[]): Promise<number> => {
    const attribution: Attribution = {
      actor: record.created_by,
      request_id: record.request_id,
      remote_address: record.remote_address,
    }
    return registry.commit({
      attribution,
      exclusive: `revocation:${record.revocation_id}`,
      plan: async () => {
        const job = await registry.revocations.get(record.revocation_id)
        if (job === undefined || job.lease_owner !== owner)
          throw new ControlError('invalid_transition', 'the lease is lost')
        const targets = (await registry.certificates.getMany(serials)).filter((row) => matches(record, row))
        if (targets.length === 0) return { unchanged: 0 }
        const now = clock()
        const holderIds = [...new Set(targets.map((row) => row.principal_id))]
        const holders = (await Promise.all(holderIds.map((id) => registry.principals.get(id)))).filter(
          (one) => one !== undefined,
        )
        const chosen = new Set(targets.map((row) => row.serial_number))
        const successors = holders
          .flatMap((holder) => targets.map((row) => holder.active_serials[row.serial_number]?.successor))
          .filter(
            (serial): serial is string =>
              serial !== undefined && !chosen.has(serial) && serial !== record.spared_serial,
          )
        const rows = [...(await registry.certificates.getMany(successors)).filter((row) => !row.revoked), ...targets]
        const gone = new Set(rows.map((row) => row.serial_number))
        const after = holders.map((holder) => ({
          ...holder,
          active_serials: withoutSerials(liveLineages(holder, now), gone),
        }))
        const blocks = (holder: PrincipalRecord) =>
          blocksRejoin.has(record.reason) && holder.principal_id !== record.created_by && !holder.rejoin_blocked
        const others = [
          ...holders.map((holder, i) => ({
            item: registry.principals.change(holder, {
              active_serials: after[i]?.active_serials ?? {},
              ...(blocks(holder) ? { rejoin_blocked: true } : {}),
            }),
          })),
          ...(await planAdmins(registry, after, now)),
          {
            item: registry.revocations.count(record.revocation_id, owner, {
              matched: rows.length,
              revoked: rows.length,
            }),
          },
        ]
        return { ...planRevoked(registry, rows, record.reason, now, others), answer: rows.length }
      },
    })
  }

  /** The last admin's certificate stays; everything else of the batch goes, one by one. */
  const revokeSparingLastAdmin = async (record: RevocationRecord, serials: string[]): Promise<number> => {
    try {
      return await revokeSome(record, serials)
    } catch (error) {
      if (!isControlError(error, 'last_admin')) throw error
      if (serials.length === 1) return 0
      let revoked = 0
      for (const serial of serials) revoked += await revokeSparingLastAdmin(record, [serial])
      return revoked
    }
  }

  /** Goes through all that matches once. How many there were. */
  const pass = async (record: RevocationRecord): Promise<number> => {
    let found = 0
    let pageToken: string | undefined
    do {
      const now = clock()
      if ((await registry.revocations.lease(record.revocation_id, owner, now, now + leaseTime)) === undefined)
        throw new ControlError('invalid_transition', 'the lease is lost')
      const page = await registry.certificates.list({
        ...(record.filter.principal_id === undefined ? {} : { principal_id: record.filter.principal_id }),
        ...(record.filter.issuer_id === undefined ? {} : { issuer_id: record.filter.issuer_id }),
        ...(pageToken === undefined ? {} : { page_token: pageToken }),
        limit: 200,
        now,
        horizon: horizon(),
      })
      pageToken = page.next_page_token
      const serials = page.items.filter((row) => matches(record, row)).map((row) => row.serial_number)
      if (record.dry_run) found += serials.length
      else
        for (let at = 0; at < serials.length; at += targetsAtOnce)
          found += await withDeadline(7 * second, () =>
            revokeSparingLastAdmin(record, serials.slice(at, at + targetsAtOnce)),
          )
    } while (pageToken !== undefined)
    return found
  }

  const carryOut = async (id: string): Promise<void> => {
    const now = clock()
    const record = await registry.revocations.lease(id, owner, now, now + leaseTime)
    if (record === undefined) return
    // Indexes lag behind: what was issued just before the call may be missing from the first pass.
    const found = await pass(record)
    if (!record.dry_run) while ((await pass(record)) > 0);
    await registry.commit<undefined>({
      attribution: { actor: 'system', request_id: record.request_id, remote_address: record.remote_address },
      exclusive: `revocation:${id}`,
      plan: async () => {
        const job = await registry.revocations.get(id)
        if (job === undefined || job.state === 'completed' || job.lease_owner !== owner) return { unchanged: undefined }
        const numbers = record.dry_run ? { matched: found, revoked: 0 } : { matched: job.matched, revoked: job.revoked }
        return {
          writes: registry.revocations
            .complete(id, owner, { ...numbers, completed_at: clock() })
            .map((item) => ({ item })),
          events: [{ action: 'revocation.complete', target: id, after: numbers }],
          changes: [],
          answer: undefined,
        }
      },
    })
  }

  return {
    /** Works through what is open; what fails now is tried again at the next call, and holds up no other. */
    run: async (): Promise<void> => {
      const failures: unknown[] = []
      for (const id of await registry.revocations.open())
        await carryOut(id).catch((error: unknown) => failures.push(error))
      if (failures.length > 0) throw failures[0]
    },
  }
}
