import { randomUUID } from 'node:crypto'
import type { Attribution } from '../core/audit.ts'
import { type CertificateRecord, lineageOf } from '../core/certificate.ts'
import { ControlError, isControlError } from '../core/errors.ts'
import { timeOfId } from '../core/ids.ts'
import { liveLineages, type PrincipalRecord } from '../core/principal.ts'
import type { RevocationRecord } from '../core/revocation.ts'
import { second } from '../core/time.ts'
import { withDeadline } from '../store/deadline.ts'
import type { Registry } from '../store/registry.ts'
import type { Plan } from '../store/transaction.ts'
import { planAdmins } from './last-admin.ts'
import {
  blocksRejoin,
  distrustEvent,
  fallingWith,
  isBurnt,
  planBurn,
  planRevoked,
  revokedAtOnce,
  withoutSerials,
} from './revoking.ts'

export interface MassRevocationDeps {
  registry: Pick<Registry, 'principals' | 'certificates' | 'crl' | 'keys' | 'admins' | 'revocations' | 'commit'>
  clock: () => number
  /** Latest expiry that any certificate can have, Unix milliseconds. */
  horizon: () => number
  /** How long after the call there may still be latecomers, milliseconds; by default `defaultSettlingTime`. */
  settlingTime?: number | undefined
}

/** Certificates per transaction: each takes 5 items, and so may its unused successor. */
const targetsAtOnce = 8
/** By how much the clock of a server that is ready may differ from the store's. Milliseconds. */
const skew = 3 * second
/**
 * Only a pass that began so long after the call may be the last: whoever was being let in at the call has got the
 * certificate by then, or never will. Its time of issue is taken before anything else, then the signer may take 5 s, and
 * what a request does in the store 7 s; and the clocks of that server and of the worker's may both be off.
 */
export const defaultSettlingTime = 5 * second + 7 * second + 2 * skew
/** A server that does not renew its lease for so long has crashed. Milliseconds. */
const leaseTime = 15 * second

/**
 * Carries out the open mass revocations, one server each at a time. Its counters move in the same transaction as the
 * certificates, so a server that takes over from one that crashed goes on with true numbers.
 */
export const makeRevocationWorker = ({
  registry,
  clock,
  horizon,
  settlingTime = defaultSettlingTime,
}: MassRevocationDeps) => {
  const owner = randomUUID()

  /**
   * Whether the filter is about a row, revoked or not. Times are those of its lineage, so that nobody gets out of it by
   * renewing; an id of which the time cannot be read is in.
   */
  const concerns = ({ filter, ...record }: RevocationRecord, row: CertificateRecord): boolean => {
    const began = timeOfId(lineageOf(row))
    // Of those who are distrusted, also what a server whose clock is ahead has issued before the call. Of others, what is
    // issued right after it stays.
    const bound = record.created_at + 1 + (blocksRejoin.has(record.reason) ? skew : 0)
    // By a date, what was renewed since is another certificate, unless its descent is what is distrusted.
    const dated = filter.issued_before ?? Number.POSITIVE_INFINITY
    const isOld = record.reason === 'key_compromise' ? !(began >= dated) : row.issued_at < dated
    // What the caller's own was renewed from, or replaces, is no more spared than anybody's.
    const spared =
      row.serial_number === record.spared_serial ||
      (lineageOf(row) === record.spared_lineage && row.issued_at > record.created_at)
    return (
      !spared &&
      !(began >= bound) &&
      isOld &&
      (filter.principal_id === undefined || row.principal_id === filter.principal_id) &&
      (filter.issuer_id === undefined || row.issuer_id === filter.issuer_id)
    )
  }

  const matches = (record: RevocationRecord, row: CertificateRecord): boolean =>
    !row.revoked && row.expires_at > clock() && concerns(record, row)

  /** Whether a row was taken out of the way after the call, as a rejoin does: its holder is distrusted all the same. */
  const evades = (record: RevocationRecord, row: CertificateRecord): boolean =>
    blocksRejoin.has(record.reason) &&
    row.revoked_at !== undefined &&
    row.revoked_at >= record.created_at - skew &&
    !blocksRejoin.has(row.revocation_reason ?? 'unspecified') &&
    row.principal_id !== record.created_by &&
    concerns(record, row)

  const attributionOf = (record: RevocationRecord): Attribution => ({
    actor: record.created_by,
    request_id: record.request_id,
    remote_address: record.remote_address,
  })

  const mustHoldLease = async (record: RevocationRecord): Promise<void> => {
    const job = await registry.revocations.get(record.revocation_id)
    if (job === undefined || job.lease_owner !== owner)
      throw new ControlError('invalid_transition', 'the lease is lost')
  }

  /** The first certificates of what a principal holds because it enrolled since the call. */
  const enrolledSince = async (record: RevocationRecord, holder: PrincipalRecord): Promise<CertificateRecord[]> => {
    const held = await registry.certificates.getMany(Object.keys(holder.active_serials))
    const firsts = await registry.certificates.getMany([...new Set(held.map(lineageOf))])
    return firsts.filter(
      (row) => row.kind === 'enrolled' && row.issued_at >= record.created_at - settlingTime && !concerns(record, row),
    )
  }

  /**
   * Bars the holder of a certificate that evades, burns its key, and revokes what the holder enrolled instead, in one
   * transaction; after it nothing more can be enrolled. Of what was renewed from that more than 14 times, those in between
   * end with their grace. How many it revoked, at least 1; 0 when there was nothing to do.
   */
  const catchEvader = async (record: RevocationRecord, serial: string): Promise<number> =>
    registry.commit({
      attribution: attributionOf(record),
      exclusive: `revocation:${record.revocation_id}`,
      plan: async () => {
        await mustHoldLease(record)
        const row = await registry.certificates.get(serial)
        const holder = row && (await registry.principals.get(row.principal_id))
        if (row === undefined || holder === undefined || !evades(record, row)) return { unchanged: 0 }
        const now = clock()
        const fallen = new Map<string, CertificateRecord>()
        for (const first of await enrolledSince(record, holder))
          for (const one of await fallingWith(registry, first, holder, 'key_compromise', now))
            fallen.set(one.serial_number, one)
        const rows = [...fallen.values()].slice(0, revokedAtOnce - 1)
        const block = !holder.rejoin_blocked
        const burn = record.reason === 'key_compromise' && !(await isBurnt(registry, row))
        if (rows.length === 0 && !block && !burn) return { unchanged: 0 }
        const gone = new Set(rows.map((one) => one.serial_number))
        const active_serials = withoutSerials(liveLineages(holder, now), gone)
        const by = { matched: rows.length, revoked: rows.length }
        const plan = planRevoked(registry, rows, record.reason, now, [
          { item: registry.principals.change(holder, { active_serials, rejoin_blocked: true }) },
          ...(await planAdmins(registry, [{ ...holder, active_serials }], now)),
          { item: registry.revocations.count(record.revocation_id, owner, by) },
          ...(burn ? planBurn(registry, row, rows, now) : []),
        ])
        const events: Plan<number>['events'] =
          block || burn ? [distrustEvent(row, record.reason, { block, burn }), ...plan.events] : plan.events
        return { ...plan, events, answer: Math.max(1, rows.length) }
      },
    })

  /** Revokes some certificates with their unused successors, in one transaction. How many it revoked. */
  const revokeSome = async (record: RevocationRecord, serials: string[]): Promise<number> => {
    return registry.commit({
      attribution: attributionOf(record),
      exclusive: `revocation:${record.revocation_id}`,
      plan: async () => {
        await mustHoldLease(record)
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

  /** Deals with some certificates, whatever became of them since they were listed. How many it revoked. */
  const settle = async (record: RevocationRecord, serials: string[]): Promise<number> => {
    let found = await withDeadline(7 * second, () => revokeSparingLastAdmin(record, serials))
    if (!blocksRejoin.has(record.reason)) return found
    const evaders = (await registry.certificates.getMany(serials)).filter((row) => evades(record, row))
    for (const { serial_number } of evaders)
      found += await withDeadline(7 * second, () => catchEvader(record, serial_number)).catch((error) => {
        if (isControlError(error, 'last_admin')) return 0
        throw error
      })
    return found
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
      const serials = page.items
        .filter((row) => matches(record, row) || (!record.dry_run && evades(record, row)))
        .map((row) => row.serial_number)
      if (record.dry_run) found += serials.length
      else
        for (let at = 0; at < serials.length; at += targetsAtOnce)
          found += await settle(record, serials.slice(at, at + targetsAtOnce))
    } while (pageToken !== undefined)
    return found
  }

  const carryOut = async (id: string): Promise<void> => {
    const now = clock()
    const record = await registry.revocations.lease(id, owner, now, now + leaseTime)
    if (record === undefined) return
    const found = await pass(record)
    if (!record.dry_run) {
      while ((await pass(record)) > 0);
      // All that was there has fallen, and it is said so. Left open, it is gone through again at the next call of `run`.
      if (now < record.created_at + settlingTime) return registry.revocations.quiet(id, owner, clock())
    }
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
