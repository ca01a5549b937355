import type { Type as TypeBox } from 'typebox'

/** What a description that may be left out is marked by: JSON Schema says it in the object around it. */
const optional = Symbol('optional')

type Json = Record<string, unknown> & { [optional]?: true }

const described =
  (fixed: Json) =>
  (options?: Json): Json => ({ ...fixed, ...options })

/**
 * Builds the schemas of the wire, of the parts of JSON Schema that it uses, with the types that TypeBox gives them.
 * TypeBox itself is some 370 files, and every program here would load all of them before it does anything.
 */
const builders = {
  Array: (items: Json, options?: Json): Json => ({ type: 'array', items, ...options }),
  Boolean: described({ type: 'boolean' }),
  Integer: described({ type: 'integer' }),
  Literal: (value: string | number | boolean, options?: Json): Json => ({
    type: typeof value,
    const: value,
    ...options,
  }),
  Null: described({ type: 'null' }),
  Object: (properties: Record<string, Json>, options?: Json): Json => {
    const required = Object.keys(properties).filter((name) => properties[name]?.[optional] !== true)
    return { type: 'object', ...(required.length === 0 ? {} : { required }), properties, ...options }
  },
  // Not enumerable: what describes a member outside of any object must not carry the mark on when it is spread.
  Optional: (schema: Json): Json => Object.defineProperty({ ...schema }, optional, { value: true }),
  String: described({ type: 'string' }),
  Union: (anyOf: Json[], options?: Json): Json => ({ anyOf, ...options }),
  Unsafe: (schema: Json): Json => ({ ...schema }),
}

export const Type = builders as unknown as Pick<typeof TypeBox, keyof typeof builders>
