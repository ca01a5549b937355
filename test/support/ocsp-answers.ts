import { type AnswerOcspDeps, makeAnswerOcsp } from '../../src/authority/ocsp/answer-ocsp.ts'
import { makeRevocationStatus } from '../../src/authority/ocsp/revocation-status.ts'
import type { CertificateRecord } from '../../src/core/certificate.ts'
import { day, hour, minute } from '../../src/core/time.ts'
import { makeResponder } from '../../src/pki/ocsp-responder.ts'
import { makeAuthority } from './authority.ts'
import { certificateRow, principalRow } from './http-apps.ts'
import { certId, ocspRequest, readOcspAnswer } from './ocsp.ts'

/** What the clock says. */
export const now = Date.UTC(2026, 10, 21, 12, 0, 0)
/** Two of ours, and one that is not. */
export const [{ issuer }, { issuer: other }, { issuer: stranger }] = await Promise.all([
  makeAuthority(now),
  makeAuthority(now),
  makeAuthority(now),
])
export const holder = principalRow('worker-1', 'worker')
export const rowOf = (serial: string, more: Partial<CertificateRecord> = {}) => ({
  ...certificateRow(serial, holder),
  issuer_id: issuer.issuer_id,
  issued_at: now - day,
  ...more,
})
export const serials = {
  good: `01${'a'.repeat(30)}`,
  revoked: `01${'b'.repeat(30)}`,
  other: `01${'c'.repeat(30)}`,
  nobody: `01${'d'.repeat(30)}`,
}
const rows = [
  rowOf(serials.good),
  rowOf(serials.revoked, { revoked: true, revoked_at: now - hour, revocation_reason: 'privilege_withdrawn' }),
  rowOf(serials.other, { issuer_id: other.issuer_id }),
]
export const responder = await makeResponder(issuer, now)

/** A responder over these rows; `more` says otherwise. */
export const answering = (more: Partial<AnswerOcspDeps> = {}) => {
  const outcomes: string[] = []
  const faults: unknown[] = []
  const { answer, drop } = makeAnswerOcsp({
    isOpen: () => true,
    issuers: () => [issuer, other],
    responderOf: async (of) => (of === issuer ? responder : makeResponder(of, now)),
    readRows: async (wanted) => rows.filter(({ serial_number }) => wanted.includes(serial_number)),
    statusOf: makeRevocationStatus({ supersedeGrace: 5 * minute, readPrincipal: async () => holder }),
    mayWork: () => true,
    clock: () => now,
    onAnswered: (outcome) => void outcomes.push(outcome),
    onFault: (error) => void faults.push(error),
    ...more,
  })
  return { answer, drop, outcomes, faults, ask: async (request: Buffer) => readOcspAnswer((await answer(request)).der) }
}
export const good = certId(issuer, serials.good)
export const goodRequest = ocspRequest([good])
