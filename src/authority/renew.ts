import { ControlError } from '../core/errors.ts'
import { liveLineages, type PrincipalRecord } from '../core/principal.ts'
import { second } from '../core/time.ts'
import { readCsr } from '../pki/csr.ts'
import { backdating } from '../pki/profile.ts'
import type { Registry } from '../store/registry.ts'
import type { IssuedCertificate, RenewCertificate } from '../wire/certificates.ts'
import { bindKey, type IssuingDeps, mustBeClientKey, renderIssued, signedByActive, signFor } from './issuing.ts'
import { planAdmins } from './last-admin.ts'
import type { CallerRequest } from './request.ts'
import { isFullyRevoked, planRevoked } from './revoking.ts'

export interface RenewDeps extends IssuingDeps {
  registry: Pick<Registry, 'principals' | 'certificates' | 'crl' | 'keys' | 'admins' | 'commit'>
}

/**
 * Renews the certificate that the caller presented; it keeps working until its successor is first presented, and for the
 * grace after that. A successor that was never used is revoked when another one takes its place.
 */
export const makeRenew = (deps: RenewDeps) => {
  /** Rows of callers that a plan was made from once. */
  const spent = new WeakSet<PrincipalRecord>()
  return async (request: CallerRequest, body: RenewCertificate): Promise<IssuedCertificate> => {
    const { registry, clock } = deps
    const { principal, certificate } = request.caller
    const { principal_id } = principal
    const csr = readCsr(body.csr_pem)
    mustBeClientKey(deps, csr)
    // Renewing never lengthens a life: what is asked beyond the predecessor's is not granted.
    const life = (certificate.expires_at - certificate.not_before - backdating) / second
    const validity_seconds = Math.floor(Math.min(body.validity_seconds ?? life, life, deps.maxValidity / second))

    // 1. Sign in memory. A crash leaves nothing: the certificate has not left the process.
    const sign = () =>
      signFor(deps, principal, csr, {
        validity_seconds,
        kind: 'renewed',
        issued_by: request.attribution.actor,
        predecessor: certificate,
      })
    let signed = await sign()
    // 2. One transaction, good only while the predecessor is. A crash after it leaves an unused successor: the same
    //    Idempotency-Key hands it out again, another renewal revokes it.
    return registry.commit({
      attribution: request.attribution,
      once: request.once,
      exclusive: `principal:${principal_id}`,
      plan: async () => {
        // What admission has read serves for one attempt: the transaction holds only while the principal's row is of that
        // revision, and the predecessor as good as it was. Otherwise both are read.
        const isFirst = !spent.has(principal)
        spent.add(principal)
        const [holder, predecessor] = isFirst
          ? [principal, certificate]
          : await Promise.all([
              registry.principals.get(principal_id),
              registry.certificates.get(certificate.serial_number),
            ])
        const now = clock()
        if (holder === undefined || holder.status === 'deleted') throw new ControlError('principal_deleted', '')
        if (holder.status !== 'active') throw new ControlError('principal_suspended', '')
        if (predecessor === undefined) throw new ControlError('certificate_unregistered', '')
        if (predecessor.revoked) throw new ControlError('certificate_revoked', '')
        if (predecessor.superseded_by !== undefined)
          throw new ControlError(
            'invalid_transition',
            'this certificate has a successor that is in use: renew that one',
          )
        if (predecessor.expires_at <= now) throw new ControlError('certificate_expired', '')

        signed = await signedByActive(deps, signed, sign)
        const { record } = signed
        const lineages = liveLineages(holder, now)
        const { [predecessor.serial_number]: _ended, ...others } = lineages
        // Refused here already, and not when the successor is first used: then nobody could do anything with it.
        const used = { ...others, [record.serial_number]: { expires_at: record.expires_at } }
        await planAdmins(registry, [{ ...holder, active_serials: used }], now)

        const lineage = lineages[predecessor.serial_number] ?? { expires_at: predecessor.expires_at }
        const unused = lineage.successor === undefined ? undefined : await registry.certificates.get(lineage.successor)
        const active_serials = {
          ...lineages,
          [predecessor.serial_number]: {
            expires_at: lineage.expires_at,
            successor: record.serial_number,
            successor_expires_at: record.expires_at,
          },
        }
        const writes = [
          { item: registry.principals.change(holder, { active_serials }) },
          { item: registry.certificates.mustBeRenewable(predecessor.serial_number, now) },
          { item: registry.certificates.create(record) },
          bindKey(deps, registry, record),
        ]
        const event = {
          action: 'certificate.renew',
          target: record.serial_number,
          after: {
            principal_id,
            fingerprint: record.fingerprint,
            expires_at: record.expires_at,
            renewed_from: predecessor.serial_number,
          },
        }
        const answer = renderIssued(signed, deps.trustBundlePem(), now)
        if (unused === undefined || isFullyRevoked(unused)) return { writes, events: [event], changes: [], answer }
        const displaced = planRevoked(registry, [unused], 'superseded', now, writes)
        return { ...displaced, events: [event, ...displaced.events], answer }
      },
    })
  }
}
