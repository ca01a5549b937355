import t from 'tap'
import type { Presented } from '../../src/auth/caller.ts'
import { verdictOf } from '../../src/auth/verdict.ts'
import type { CertificateRecord } from '../../src/core/certificate.ts'
import type { PrincipalRecord } from '../../src/core/principal.ts'
import { day, minute } from '../../src/core/time.ts'
import { certificateFromItem } from '../../src/store/certificates.ts'
import { certificateRow, principalRow } from '../support/http-apps.ts'

const now = Date.UTC(2026, 5, 1)
const grace = 5 * minute
const principal = principalRow('worker-1', 'worker')
const certificate = certificateRow('b'.repeat(32), principal)
const presented: Presented = {
  serial_number: certificate.serial_number,
  fingerprint: certificate.fingerprint,
  issuer_id: certificate.issuer_id,
  not_before: certificate.not_before,
  expires_at: certificate.expires_at,
  claimed: { principal_id: 'worker-1', principal_type: 'worker' },
}

interface Case {
  presented?: Partial<Presented>
  /** `null`: no such row. What it holds is as the store gives it, written by whatever hand. */
  certificate?: Partial<Record<keyof CertificateRecord, unknown>> | null
  principal?: Partial<Record<keyof PrincipalRecord, unknown>> | null
}
const superseded = (at?: number) => ({
  superseded_by: 'c'.repeat(32),
  ...(at === undefined ? {} : { superseded_at: at }),
})

const admitted: [string, Case][] = [
  ['all is well', {}],
  ['superseded, within its grace', { certificate: superseded(now - grace + 1) }],
  ['superseded after a rejoin', { certificate: superseded(now - 1), principal: { grace_from: now - 1 } }],
  ['not superseded, and its principal has rejoined', { principal: { grace_from: now + 1 } }],
  ['in the first millisecond of its life', { presented: { not_before: now } }],
  ['in the last one', { presented: { expires_at: now + 1 } }],
]
const denied: [string, string, Case][] = [
  ['certificate_untrusted', 'no profile of ours', { presented: { claimed: undefined as never } }],
  ['certificate_unregistered', 'no row', { certificate: null }],
  ['certificate_expired', 'no row any more', { certificate: null, presented: { expires_at: now } }],
  ['certificate_unregistered', 'another certificate of this serial', { presented: { fingerprint: 'f'.repeat(64) } }],
  ['certificate_unregistered', 'another serial', { certificate: { serial_number: 'd'.repeat(32) } }],
  ['certificate_revoked', 'revoked', { certificate: { revoked: true, revoked_at: now } }],
  ['certificate_revoked', 'revoked by hand', { certificate: { revoked: true } }],
  ['certificate_revoked', 'revoked by a hand that wrote text', { certificate: { revoked: 'true' } }],
  ['certificate_revoked', 'revoked by a hand that wrote a number', { certificate: { revoked: 1 } }],
  ['certificate_revoked', 'revoked by a hand that wrote nothing', { certificate: { revoked: null } }],
  [
    'certificate_revoked',
    'revoked, superseded and expired',
    { certificate: { revoked: true, ...superseded(0), expires_at: 0 } },
  ],
  ['certificate_superseded', 'superseded, its grace over', { certificate: superseded(now - grace) }],
  ['certificate_superseded', 'superseded, nobody knows when', { certificate: superseded() }],
  [
    'certificate_superseded',
    'superseded before a rejoin',
    { certificate: superseded(now - 2), principal: { grace_from: now - 1 } },
  ],
  ['certificate_superseded', 'superseded and expired', { certificate: { ...superseded(0), expires_at: 0 } }],
  ['certificate_expired', 'expired by itself', { presented: { expires_at: now } }],
  ['certificate_expired', 'expired by its row', { certificate: { expires_at: now } }],
  ['certificate_expired', 'an expiry that is no time', { certificate: { expires_at: 'never' } }],
  ['certificate_not_yet_valid', 'from the future', { presented: { not_before: now + 1 } }],
  ['certificate_untrusted', 'issued by another issuer than the row says', { presented: { issuer_id: 'f'.repeat(16) } }],
  ['certificate_untrusted', 'names another principal', { certificate: { principal_id: 'worker-2' } }],
  ['certificate_unregistered', 'no principal', { principal: null }],
  ['principal_suspended', 'suspended', { principal: { status: 'suspended' } }],
  ['principal_suspended', 'a status that nobody knows', { principal: { status: 'Active' } }],
  ['principal_suspended', 'no status', { principal: { status: undefined } }],
  ['principal_deleted', 'deleted', { principal: { status: 'deleted' } }],
  ['certificate_untrusted', 'its principal has become an admin', { principal: { type: 'admin' } }],
  ['certificate_untrusted', 'its row has become an admin’s', { certificate: { principal_type: 'admin' } }],
  [
    'certificate_untrusted',
    'it claims another type',
    { presented: { claimed: { principal_id: 'worker-1', principal_type: 'admin' } } },
  ],
]

const decide = (one: Case) =>
  verdictOf(
    { ...presented, ...one.presented },
    {
      certificate: one.certificate === null ? undefined : certificateFromItem({ ...certificate, ...one.certificate }),
      principal: one.principal === null ? undefined : ({ ...principal, ...one.principal } as PrincipalRecord),
    },
    { supersede_grace: grace, trusts: () => true },
    now,
  )

t.test('admitted', async (t) => {
  for (const [name, one] of admitted) t.ok('admitted' in decide(one), name)
})

t.test('denied, with the first reason that holds', async (t) => {
  for (const [code, name, one] of denied) t.same(decide(one), { denied: code }, name)
})

t.test('who it is comes from the rows', async (t) => {
  const verdict = decide({ principal: { email: 'a@b' }, certificate: { expires_at: now + day } })
  t.match(verdict, {
    admitted: { principal: { principal_id: 'worker-1', email: 'a@b' }, certificate: { expires_at: now + day } },
  })
})
