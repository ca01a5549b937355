import t from 'tap'
import { Type as TypeBox } from 'typebox'
import { Type } from '../../src/wire/schema.ts'

/** Each builder, alone and with what it may be given beside. */
const schemas = (make: typeof Type) => ({
  array: make.Array(make.String(), { maxItems: 3, description: 'some' }),
  boolean: make.Boolean({ description: 'yes or no' }),
  integer: make.Integer({ minimum: 1, maximum: 10, default: 5 }),
  literals: [make.Literal('token'), make.Literal(true), make.Literal(3)],
  nothing: make.Null(),
  object: make.Object(
    { needed: make.String(), spare: make.Optional(make.Object({ inner: make.Boolean() })) },
    { additionalProperties: false, description: 'an object' },
  ),
  without_required: make.Object({ spare: make.Optional(make.Null()) }),
  empty: make.Object({}),
  string: make.String({ pattern: '^a$', maxLength: 2 }),
  union: make.Union([make.String(), make.Null()]),
  unsafe: make.Unsafe<string>({ type: 'string', enum: ['a'] }),
})

t.test('schemas are, octet for octet, those that TypeBox builds', async (t) => {
  t.equal(JSON.stringify(schemas(Type)), JSON.stringify(schemas(TypeBox as typeof Type)))
})

t.test('a description that is optional in one object is still needed in another', async (t) => {
  const shared = Type.String()
  const lax = Type.Object({ a: Type.Optional(shared) })
  t.same(Type.Object({ a: shared }).required, ['a'])
  t.same(Type.Object({ ...lax.properties, b: shared }).required, ['b'], 'spread into another, it stays optional')
})
