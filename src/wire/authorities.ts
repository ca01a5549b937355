import type { Static } from 'typebox'
import { authorityKinds, authorityStates } from '../core/authority.ts'
import * as field from './fields.ts'
import { listQuery, pageOf } from './lists.ts'
import { Type } from './schema.ts'
import { Straggler } from './stragglers.ts'

/** A KMS key id, its ARN, or an alias. */
const kmsKeyId = Type.String({ minLength: 1, maxLength: 512, pattern: '^[A-Za-z0-9:/_-]+$' })

export const Authority = Type.Object(
  {
    issuer_id: field.issuerId,
    kind: field.oneOf(authorityKinds),
    state: field.oneOf(authorityStates, 'Of an issuer: prepared, active, retired or removed. Of a root: trusted'),
    subject_dn: Type.String(),
    sha256: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the DER' }),
    not_before: field.timestamp,
    expires_at: field.timestamp,
    root_sha256: Type.Optional(
      Type.String({ pattern: '^[0-9a-f]{64}$', description: 'Of an issuer: SHA-256 of the DER of its root' }),
    ),
    kms_key_id: Type.Optional(Type.String()),
    certificate_pem: Type.String(),
    prepared_at: Type.Optional(field.timestamp),
    activated_at: Type.Optional(field.timestamp),
    retired_at: Type.Optional(field.timestamp),
    removed_at: Type.Optional(field.timestamp),
    version: Type.Integer({ minimum: 0, description: '0: known from the configuration of the servers alone' }),
  },
  { ...field.closed, description: 'An issuer of client certificates, or a root of the trust bundle' },
)
export type Authority = Static<typeof Authority>

/** How far the servers and agents are with an issuer; the list of stragglers is cut at 100, the count is whole. */
export const Rollout = Type.Object(
  {
    servers: Type.Array(Type.Object({ server_id: Type.String(), has_key: Type.Boolean() }, field.closed)),
    stragglers: Type.Array(Straggler),
    stragglers_total: Type.Integer({ minimum: 0 }),
    active_certificates: Type.Integer({ minimum: 0 }),
    active_certificates_complete: Type.Boolean({
      description: 'false: there are more than were counted',
    }),
  },
  field.closed,
)
export type Rollout = Static<typeof Rollout>

export const AuthorityDetails = Type.Object(
  { ...Authority.properties, rollout: Type.Optional(Rollout) },
  { ...field.closed, description: 'An authority; of an issuer, with how far servers and agents are' },
)
export type AuthorityDetails = Static<typeof AuthorityDetails>

/** The certificate of an issuer, signed by a root of the trust bundle; with the KMS key that signs for it, if it is one. */
export const PrepareAuthority = Type.Object(
  {
    certificate_pem: Type.String({ minLength: 1, maxLength: 8192, description: 'One certificate, one PEM block' }),
    kms_key_id: Type.Optional(kmsKeyId),
  },
  field.closed,
)
export type PrepareAuthority = Static<typeof PrepareAuthority>

/** `force` needs a `reason`, which is audited. */
const forced = { force: Type.Optional(Type.Boolean()), reason: Type.Optional(field.reasonText) }

export const ActivateAuthority = Type.Object(forced, field.closed)
export type ActivateAuthority = Static<typeof ActivateAuthority>

export const RetireAuthority = Type.Object(
  {
    ...forced,
    renew_within_seconds: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 604_800,
        description: 'Its agents are asked to renew at moments spread over so many seconds; absent: one hour',
      }),
    ),
  },
  field.closed,
)
export type RetireAuthority = Static<typeof RetireAuthority>

export const RemoveAuthority = Type.Object(forced, field.closed)
export type RemoveAuthority = Static<typeof RemoveAuthority>

export const AuthorityParams = Type.Object({ issuer_id: field.issuerId }, field.closed)
export const ListAuthorities = listQuery({})
export type ListAuthorities = Static<typeof ListAuthorities>
export const AuthorityPage = pageOf(Authority)
export type AuthorityPage = Static<typeof AuthorityPage>
