import type { Static } from 'typebox'
import { stragglerKinds } from '../core/authority.ts'
import * as field from './fields.ts'
import { Type } from './schema.ts'

export const Straggler = Type.Object(
  {
    kind: field.oneOf(stragglerKinds),
    id: Type.String({ description: 'server_id, or the principal_id of the agent' }),
    detail: Type.String({ description: 'What it lacks' }),
  },
  { ...field.closed, description: 'Who is not ready for a step of a rotation' },
)
export type Straggler = Static<typeof Straggler>
