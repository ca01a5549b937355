import type { Static } from 'typebox'
import { Certificate } from './certificates.ts'
import { Principal } from './principals.ts'
import { Type } from './schema.ts'

export const Whoami = Type.Object(
  { principal: Principal, certificate: Certificate, permissions: Type.Array(Type.String()) },
  { additionalProperties: false },
)
export type Whoami = Static<typeof Whoami>
