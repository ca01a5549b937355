import type { Static } from 'typebox'
import { oneOf } from './fields.ts'
import { Type } from './schema.ts'

export const TrustBundle = Type.Object(
  {
    roots_pem: Type.String(),
    sha256: Type.Array(Type.String({ pattern: '^[0-9a-f]{64}$' }), { description: 'SHA-256 of each root’s DER' }),
    version: Type.String({ pattern: '^[0-9a-f]{16}$' }),
  },
  { additionalProperties: false },
)
export type TrustBundle = Static<typeof TrustBundle>

export const TrustBundleQuery = Type.Object(
  { format: Type.Optional(oneOf(['json', 'pem'], 'The bundle as a JSON document, or the PEM blocks themselves')) },
  { additionalProperties: false },
)
