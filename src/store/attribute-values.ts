import type { Item } from './item.ts'

/** A value as DynamoDB's JSON protocol writes it: `{ S: 'text' }`, binary in base64. */
export type AttributeValue = Record<string, unknown>

const numberText = (value: number): string => {
  if (!Number.isFinite(value)) throw new TypeError(`the number ${value} cannot be stored`)
  if (Math.abs(value) > Number.MAX_SAFE_INTEGER) throw new TypeError(`the number ${value} is not exact`)
  return value.toString()
}

const base64 = (value: Uint8Array): string =>
  Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')

const setValue = (set: Set<unknown>): AttributeValue => {
  const values = [...set].filter((value) => value !== undefined)
  const [first] = values
  // A mixed one is refused, where the SDK's converter would write what the store then refuses.
  const isAll = (type: string) => values.every((value) => typeof value === type)
  if (typeof first === 'string' && isAll('string')) return { SS: values }
  if (typeof first === 'number' && isAll('number')) return { NS: values.map((value) => numberText(value as number)) }
  if (typeof first === 'bigint' && isAll('bigint')) return { NS: values.map(String) }
  if (first instanceof Uint8Array && values.every((value) => value instanceof Uint8Array))
    return { BS: values.map((value) => base64(value as Uint8Array)) }
  throw new TypeError('only a set of one kind, text, numbers or octets, can be stored, and no empty one')
}

const isKept = (value: unknown): boolean => value !== undefined && typeof value !== 'function'

/** Says what a plain value is. Throws TypeError for what the store cannot keep: NaN, a class of somebody's, an empty set. */
const toAttribute = (value: unknown): AttributeValue => {
  if (typeof value === 'string') return { S: value }
  if (typeof value === 'number') return { N: numberText(value) }
  if (typeof value === 'boolean') return { BOOL: value }
  if (typeof value === 'bigint') return { N: value.toString() }
  if (value === null) return { NULL: true }
  if (Array.isArray(value)) return { L: value.filter(isKept).map(toAttribute) }
  if (value instanceof Uint8Array) return { B: base64(value) }
  if (value instanceof Set) return setValue(value)
  const prototype = typeof value === 'object' ? Object.getPrototypeOf(value) : undefined
  if (prototype === Object.prototype || prototype === null) return { M: toAttributes(value as Item) }
  throw new TypeError(`a value of type ${typeof value} cannot be stored`)
}

/** A key such as `__proto__` is a key like any other. */
const put = (target: Item, name: string, value: unknown): void => {
  if (name === '__proto__') Object.defineProperty(target, name, { value, enumerable: true, configurable: true })
  else target[name] = value
}

/** An item in the form of the protocol; what is undefined is left out. */
export const toAttributes = (item: Item): Record<string, AttributeValue> => {
  const attributes: Record<string, AttributeValue> = {}
  for (const name of Object.keys(item)) {
    const value = item[name]
    if (isKept(value)) put(attributes, name, toAttribute(value))
  }
  return attributes
}

const numberOf = (text: string): number | bigint => {
  const value = Number(text)
  return Math.abs(value) > Number.MAX_SAFE_INTEGER && Number.isFinite(value) ? BigInt(text) : value
}

const octetsOf = (text: string): Uint8Array => {
  const { buffer, byteOffset, byteLength } = Buffer.from(text, 'base64')
  return new Uint8Array(buffer, byteOffset, byteLength)
}

const fromAttribute = (attribute: AttributeValue): unknown => {
  for (const kind in attribute) {
    const value = attribute[kind]
    switch (kind) {
      case 'S':
        return value
      case 'N':
        return numberOf(value as string)
      case 'BOOL':
        return value
      case 'B':
        return octetsOf(value as string)
      case 'M':
        return fromAttributes(value as Record<string, AttributeValue>)
      case 'L':
        return (value as AttributeValue[]).map(fromAttribute)
      case 'NULL':
        return null
      case 'SS':
        return new Set(value as string[])
      case 'NS':
        return new Set((value as string[]).map(numberOf))
      case 'BS':
        return new Set((value as string[]).map(octetsOf))
    }
  }
  throw new TypeError('the store sent a value of an unknown kind')
}

/** An item out of the form of the protocol; numbers beyond 2^53 as bigint. Throws TypeError for a kind that there is not. */
export const fromAttributes = (attributes: Record<string, AttributeValue>): Item => {
  const item: Item = {}
  for (const name of Object.keys(attributes)) put(item, name, fromAttribute(attributes[name] as AttributeValue))
  return item
}
