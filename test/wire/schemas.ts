import t from 'tap'
import type { TSchema } from 'typebox'
import { Check } from 'typebox/value'
import { errorCodes } from '../../src/core/errors.ts'
import { ListAuditEvents } from '../../src/wire/audit-events.ts'
import { Certificate, ListCertificates, renderCertificate } from '../../src/wire/certificates.ts'
import { idempotencyKeyPattern, ifMatchPattern, versionOfTag, versionTag } from '../../src/wire/conditions.ts'
import { Enroll } from '../../src/wire/enrollments.ts'
import { UpdateJoinRule } from '../../src/wire/join-rules.ts'
import { CreateJoinToken } from '../../src/wire/join-tokens.ts'
import { CreatePrincipal, Principal, renderPrincipal, UpdatePrincipal } from '../../src/wire/principals.ts'
import { Problem, problemOf, statusOfCode, titleOfCode } from '../../src/wire/problem.ts'
import { StartRevocation } from '../../src/wire/revocations.ts'
import { certificateRow, principalRow } from '../support/http-apps.ts'

const takes = (schema: TSchema, value: unknown): boolean => Check(schema, value)

t.test('records are rendered as their schemas say', async (t) => {
  const now = Date.UTC(2026, 5, 1)
  const principal = principalRow('worker-1', 'worker')
  const full = {
    ...principal,
    email: 'a@b',
    description: 'x',
    suspended_at: now,
    suspended_reason: 'y',
    joined_by: 'join_token:1',
    active_serials: { a: { expires_at: now + 1 }, b: { expires_at: now - 1 } },
  }
  for (const row of [principal, full]) t.ok(takes(Principal, renderPrincipal(row, now)))
  t.equal(renderPrincipal(full, now).active_certificates, 1, 'an expired lineage does not count')
  const certificate = certificateRow('a'.repeat(32), principal)
  const ended = {
    ...certificate,
    revoked: true,
    revoked_at: now,
    revocation_reason: 'key_compromise' as const,
    renewed_from: 'b'.repeat(32),
    superseded_by: 'c'.repeat(32),
    first_used_at: now,
    description: 'z',
  }
  for (const row of [certificate, ended]) t.ok(takes(Certificate, renderCertificate(row, now)))
  const shown = JSON.stringify(renderCertificate(ended, now))
  t.notMatch(shown, /certificate_der|spki_sha256|"ttl"|expiry_day/, 'and nothing else of the row')
  t.match(renderCertificate(ended, now), { status: 'revoked', revoked_at: '2026-06-01T00:00:00.000Z' })
})

t.test('each code has a status and a title, and makes a problem document', async (t) => {
  for (const code of errorCodes) {
    t.ok(takes(Problem, problemOf({ code }, 'id')), code)
    t.ok(statusOfCode[code] >= 400 && titleOfCode[code].length > 0, code)
  }
  t.notOk('errors' in problemOf({ code: 'not_found', errors: [] }, 'id'), 'no empty list of faults')
})

t.test('what bodies take', async (t) => {
  const base = { principal_id: 'a', type: 'worker' }
  const good: [TSchema, unknown][] = [
    [CreatePrincipal, base],
    [CreatePrincipal, { ...base, metadata: { k: '' } }],
    [CreatePrincipal, { ...base, principal_id: 'a'.repeat(128) }],
    [UpdatePrincipal, { email: null, metadata: null, max_certificates: null, description: null }],
    [StartRevocation, { all: true, reason: 'unspecified' }],
    [StartRevocation, { principal_id: 'a', reason: 'superseded', dry_run: true }],
    [Enroll, { method: 'token', join_token: 'airj_x', csr_pem: 'x' }],
    [Enroll, { method: 'oidc', id_token: 'x', csr_pem: 'x', principal_id: 'a', metadata: { k: 'v' } }],
    [Enroll, { method: 'aws_iam', aws: { region: 'r', authorization: 'a', x_amz_date: 'd' }, csr_pem: 'x' }],
    [CreateJoinToken, { principal_type: 'worker', id_prefix: 'a-', ttl_seconds: 604_800, max_uses: 1000 }],
    [ListCertificates, { limit: 500, status: 'active', page_token: 'eyJ-_0' }],
    [ListAuditEvents, { target: 'join_token:1', actor: 'system' }],
  ]
  for (const [schema, value] of good) t.ok(takes(schema, value), JSON.stringify(value).slice(0, 60))
  const bad: [TSchema, unknown][] = [
    [CreatePrincipal, { ...base, principal_id: 'a'.repeat(129) }],
    [CreatePrincipal, { ...base, principal_id: 'a.' }],
    [CreatePrincipal, { ...base, extra: 1 }],
    [UpdatePrincipal, {}],
    [UpdatePrincipal, { type: 'admin' }],
    [StartRevocation, { reason: 'unspecified' }],
    [StartRevocation, { reason: 'unspecified', dry_run: true }],
    [StartRevocation, { all: false, reason: 'unspecified' }],
    [Enroll, { method: 'token', csr_pem: 'x' }],
    [Enroll, { method: 'token', join_token: 'airj_x', id_token: 'x', csr_pem: 'x' }],
    [Enroll, { method: 'oidc', join_token: 'airj_x', csr_pem: 'x' }],
    [CreateJoinToken, { principal_type: 'worker', ttl_seconds: 604_801 }],
    [CreateJoinToken, { principal_type: 'worker', id_prefix: '-a' }],
    [UpdateJoinRule, { method: 'oidc' }],
    [UpdateJoinRule, {}],
    [ListCertificates, { page_token: 'a b' }],
    [ListAuditEvents, { target: '' }],
    [ListAuditEvents, { target: 'a\nb' }],
  ]
  for (const [schema, value] of bad) t.notOk(takes(schema, value), JSON.stringify(value).slice(0, 60))
})

t.test('conditions in headers', async (t) => {
  const key = new RegExp(idempotencyKeyPattern)
  for (const text of ['a', 'a b', '~!', 'k'.repeat(128)]) t.match(text, key)
  for (const text of ['', ' a', 'a ', 'ä', 'a\n', 'k'.repeat(129)]) t.notMatch(text, key)
  const tag = new RegExp(ifMatchPattern)
  for (const text of ['*', '"0"', '"12"']) t.match(text, tag)
  for (const text of ['', '12', '"a"', 'W/"1"', '"1","2"', '"1"x']) t.notMatch(text, tag)
  t.equal(versionOfTag(versionTag(12)), 12)
  t.equal(versionOfTag('*'), undefined)
})
