import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { DynamoDBDocumentClient, GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb'
import t from 'tap'
import { fromAttributes, toAttributes } from '../../src/store/attribute-values.ts'

/** A client of the SDK that sends nothing: what it would send, and what it makes of an answer. */
const makeSdk = () => {
  let sent = ''
  let answer = '{}'
  const requestHandler = {
    handle: async (request: unknown) => {
      sent = String((request as { body: unknown }).body)
      return { response: { statusCode: 200, headers: {}, body: Buffer.from(answer) } }
    },
  }
  const client = new DynamoDBClient({
    region: 'us-east-1',
    endpoint: 'http://127.0.0.1:1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    requestHandler: requestHandler as never,
  })
  const documents = DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } })
  return {
    written: async (Item: Record<string, unknown>) => {
      await documents.send(new PutCommand({ TableName: 'table', Item }))
      return JSON.parse(sent).Item
    },
    read: async (item: unknown) => {
      answer = JSON.stringify({ Item: item })
      return (await documents.send(new GetCommand({ TableName: 'table', Key: { pk: 'x' } }))).Item
    },
  }
}

const among = <T>(values: T[]): T => values[Math.floor(Math.random() * values.length)] as T
const count = () => Math.floor(Math.random() * 4)
const text = () => among(['', 'a', 'ü€😀', '"\\\n\u0000', '__proto', 'N', 'S'.repeat(200), String(Math.random())])
const number = () => among([0, -0, 1, -1, 0.1, 1e21 % 2 ** 53, 1e-7, Number.MAX_SAFE_INTEGER, Math.random() * 1e6])
const octets = () => Buffer.from(Array.from({ length: count() * 7 }, () => Math.floor(Math.random() * 256)))

const value = (depth: number): unknown => {
  const simple = [text, number, octets, () => true, () => false, () => null, () => undefined, () => 2n ** 70n]
  const sets = [
    () => new Set([text(), 'one']),
    () => new Set([number(), 7]),
    () => new Set([octets(), Buffer.from([1])]),
    () => new Uint8Array([1, 2, 3]).subarray(1),
  ]
  const nested = [() => item(depth - 1), () => Array.from({ length: count() }, () => value(depth - 1))]
  return among([...simple, ...sets, ...(depth > 0 ? [...nested, ...nested] : [])])()
}
const item = (depth: number): Record<string, unknown> =>
  Object.fromEntries(Array.from({ length: count() + 1 }, () => [text() || 'name', value(depth)]))

t.test('2,000 random items are written and read as the AWS SDK does', async (t) => {
  const sdk = makeSdk()
  let different = 0
  for (let i = 0; i < 2000; i++) {
    const one = item(3)
    const [ours, theirs] = [toAttributes(one), await sdk.written(one)]
    const [back, backByThem] = [fromAttributes(JSON.parse(JSON.stringify(ours))), await sdk.read(ours)]
    const same = JSON.stringify(ours) === JSON.stringify(theirs)
    if (same && isSame(back, backByThem)) continue
    different++
    t.same(ours, theirs)
    t.same(back, backByThem)
  }
  t.equal(different, 0)
})

/** Equal in type and value, all the way down. */
const isSame = (a: unknown, b: unknown): boolean => {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0
  if (a instanceof Set && b instanceof Set) return isSame([...a], [...b])
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((one, i) => isSame(one, b[i]))
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return Object.is(a, b)
  const names = Object.keys(a)
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>]
  return (
    names.length === Object.keys(b).length && names.every((name) => name in right && isSame(left[name], right[name]))
  )
}

t.test('what the store cannot keep is refused before it is sent', async (t) => {
  for (const [what, wrong] of [
    ['no number', Number.NaN],
    ['endless', Number.POSITIVE_INFINITY],
    ['not exact', 2 ** 53],
    ['a class', new Date()],
    ['an empty set', new Set()],
    ['a mixed set', new Set(['a', 1])],
    ['a symbol', Symbol('x')],
  ] as const)
    t.throws(() => toAttributes({ deep: { list: [wrong] } }), TypeError, what)
  t.throws(() => fromAttributes({ a: { X: '1' } }), TypeError, 'an unknown kind')
})

t.test('a name that means something to JavaScript is a name', async (t) => {
  const stored = JSON.parse('{"__proto__": {"M": {"admin": {"BOOL": true}}}, "constructor": {"S": "x"}}')
  const read = fromAttributes(stored)
  t.equal((read as { admin?: boolean }).admin, undefined)
  t.same(Object.keys(read), ['__proto__', 'constructor'])
  t.same(JSON.parse(JSON.stringify(toAttributes(read))), stored)
})
