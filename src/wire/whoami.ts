import { type Static, Type } from 'typebox'
import { Certificate } from './certificates.ts'
import { Principal } from './principals.ts'

export const Whoami = Type.Object(
  { principal: Principal, certificate: Certificate, permissions: Type.Array(Type.String()) },
  { additionalProperties: false },
)
export type Whoami = Static<typeof Whoami>
