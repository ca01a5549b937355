import type { Static } from 'typebox'
import { IssuedCertificate } from './certificates.ts'
import * as field from './fields.ts'
import { Principal } from './principals.ts'
import { Type } from './schema.ts'

/** What every machine that joins sends, whatever its proof. */
const common = {
  csr_pem: field.csrPem,
  principal_id: Type.Optional(field.principalId),
  metadata: Type.Optional(field.metadata),
}

/** The signature of a GetCallerIdentity request that the server builds itself. */
export const AwsProof = Type.Object(
  {
    region: Type.String({ minLength: 1, maxLength: 64 }),
    authorization: Type.String({ minLength: 1, maxLength: 4096 }),
    x_amz_date: Type.String({ minLength: 1, maxLength: 32 }),
    x_amz_security_token: Type.Optional(Type.String({ minLength: 1, maxLength: 16_384 })),
  },
  field.closed,
)
export type AwsProof = Static<typeof AwsProof>

export const EnrollByToken = Type.Object(
  { method: Type.Literal('token'), join_token: Type.String({ minLength: 1, maxLength: 256 }), ...common },
  field.closed,
)
export const EnrollByAwsIam = Type.Object({ method: Type.Literal('aws_iam'), aws: AwsProof, ...common }, field.closed)
export const EnrollByOidc = Type.Object(
  { method: Type.Literal('oidc'), id_token: Type.String({ minLength: 1, maxLength: 16_384 }), ...common },
  field.closed,
)
export type EnrollByToken = Static<typeof EnrollByToken>
export type EnrollByAwsIam = Static<typeof EnrollByAwsIam>
export type EnrollByOidc = Static<typeof EnrollByOidc>

export const Enroll = Type.Unsafe<EnrollByToken | EnrollByAwsIam | EnrollByOidc>({
  oneOf: [EnrollByToken, EnrollByAwsIam, EnrollByOidc],
  description: 'Who the machine is, by one of three proofs, and the request for its first certificate',
})
export type Enroll = EnrollByToken | EnrollByAwsIam | EnrollByOidc

/** The first certificate of a machine, with all that it needs, and what it is now. */
export const Enrollment = Type.Object(
  { ...IssuedCertificate.properties, principal: Principal },
  { ...field.closed, description: 'The first certificate of a machine that joined' },
)
export type Enrollment = Static<typeof Enrollment>
