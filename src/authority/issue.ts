import { ControlError } from '../core/errors.ts'
import { liveLineages, type PrincipalRecord } from '../core/principal.ts'
import { readCsr } from '../pki/csr.ts'
import type { Registry } from '../store/registry.ts'
import type { IssueCertificate, IssuedCertificate } from '../wire/certificates.ts'
import {
  bindKey,
  type IssuingDeps,
  mustBeClientKey,
  renderIssued,
  type Signed,
  signedByActive,
  signFor,
} from './issuing.ts'
import { planAdmins } from './last-admin.ts'
import type { CallerRequest } from './request.ts'

export interface IssueDeps extends IssuingDeps {
  registry: Pick<Registry, 'principals' | 'certificates' | 'keys' | 'admins' | 'commit'>
}

/** Throws unless the principal may hold another certificate now. */
const mustHaveRoom = (principal: PrincipalRecord, now: number): void => {
  if (principal.status !== 'active')
    throw new ControlError(
      'invalid_transition',
      `the principal is ${principal.status}: only an active one is issued certificates`,
    )
  const held = Object.keys(liveLineages(principal, now)).length
  if (held >= principal.max_certificates)
    throw new ControlError(
      'certificate_quota_exceeded',
      `the principal holds ${held} of ${principal.max_certificates} certificates: revoke one, renew one instead, or raise max_certificates`,
    )
}

/** Issues a first certificate to a principal, whose row alone decides what stands in it. */
export const makeIssue =
  (deps: IssueDeps) =>
  async (request: Omit<CallerRequest, 'caller'>, body: IssueCertificate): Promise<IssuedCertificate> => {
    const { registry, clock } = deps
    const csr = readCsr(body.csr_pem)
    mustBeClientKey(deps, csr)
    const read = async (): Promise<PrincipalRecord> => {
      const principal = await registry.principals.get(body.principal_id)
      if (principal === undefined)
        throw new ControlError('not_found', 'there is no principal of this id: create it first')
      mustHaveRoom(principal, clock())
      return principal
    }

    let signing: Promise<Signed> | undefined
    const sign = (principal: PrincipalRecord): Promise<Signed> => {
      signing ??= signFor(deps, principal, csr, {
        validity_seconds: body.validity_seconds,
        kind: 'issued',
        issued_by: request.attribution.actor,
        description: body.description,
      })
      return signing
    }

    // 1. Refuse what is refused anyway before anything is signed; the plan says so, for it knows of kept answers.
    let first = await read().catch(() => undefined)
    // 2. Sign in memory, once, and compare with what was granted. A crash leaves nothing: it has not left. Here, and not in
    //    this principal's turn: who takes rights away from it must not wait for a key service.
    if (first !== undefined) await sign(first)
    return registry.commit({
      attribution: request.attribution,
      once: request.once,
      exclusive: `principal:${body.principal_id}`,
      plan: async () => {
        const principal = first ?? (await read())
        first = undefined
        const signed = await signedByActive(deps, await sign(principal), () => {
          signing = undefined
          return sign(principal)
        })
        const { record } = signed
        // 3. One transaction: place in the quota, row, key, event, kept answer. A crash after it leaves a certificate that
        //    the same Idempotency-Key hands out again, or that an admin sees in the list and revokes.
        const now = clock()
        const active_serials = {
          ...liveLineages(principal, now),
          [record.serial_number]: { expires_at: record.expires_at },
        }
        return {
          writes: [
            { item: registry.principals.change(principal, { active_serials }) },
            { item: registry.certificates.create(record) },
            bindKey(deps, registry, record),
            ...(await planAdmins(registry, [{ ...principal, active_serials }], now)),
          ],
          events: [
            {
              action: 'certificate.issue',
              target: record.serial_number,
              after: {
                principal_id: record.principal_id,
                fingerprint: record.fingerprint,
                expires_at: record.expires_at,
              },
            },
          ],
          changes: [],
          answer: renderIssued(signed, deps.trustBundlePem(), now),
        }
      },
    })
  }
