import type { TProperties, TSchema } from 'typebox'
import { Type } from './schema.ts'

/** Query of a list: its filters, `limit` and `page_token`; anything else is refused. */
export const listQuery = <T extends TProperties>(filters: T) =>
  Type.Object(
    {
      ...filters,
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 50 })),
      page_token: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9_-]+$', maxLength: 1024 })),
    },
    { additionalProperties: false },
  )

/** One page: `next_page_token` is absent at the end. A page may be short. */
export const pageOf = <T extends TSchema>(item: T) =>
  Type.Object(
    { items: Type.Array(item), next_page_token: Type.Optional(Type.String()) },
    { additionalProperties: false },
  )
