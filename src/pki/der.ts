import { isUtf8 } from 'node:buffer'

/** Why some bytes are not DER, or not the structure that was expected. Never holds the bytes. */
export class DerProblem extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'DerProblem'
  }
}

/** One value: `tag` is its identifier octet (a tag number of 31 or more reads as 0x1f with its class bits). */
export class DerElement {
  readonly tag: number
  readonly children: DerElement[]
  readonly #source: Buffer
  readonly #start: number
  readonly #contentStart: number
  readonly #end: number

  constructor(
    source: Buffer,
    identifier: number,
    start: number,
    contentStart: number,
    end: number,
    children: DerElement[],
  ) {
    this.tag = identifier
    this.children = children
    this.#source = source
    this.#start = start
    this.#contentStart = contentStart
    this.#end = end
  }

  /** The whole encoding, header included. */
  get bytes(): Buffer {
    return this.#source.subarray(this.#start, this.#end)
  }

  get content(): Buffer {
    return this.#source.subarray(this.#contentStart, this.#end)
  }
}

const depthLimit = 24
const nodeLimit = 4096
const constructedBit = 0x20
const contextClasses = 0xc0

interface Walk {
  source: Buffer
  nodes: number
}

const fail = (message: string): never => {
  throw new DerProblem(message)
}

/** Skips the further octets of a tag number of 31 or more. @see X.690 §8.1.2.4 */
const skipHighTag = (source: Buffer, from: number, end: number): number => {
  let number = 0
  for (let at = from; at < end; at++) {
    const octet = source[at] as number
    if (at === from && octet === 0x80) fail('a tag number has leading zeros')
    if (at - from === 4) fail('a tag number is too large')
    number = number * 128 + (octet & 0x7f)
    if (octet & 0x80) continue
    if (number < 31) fail('a tag number is written in the long form without need')
    return at + 1
  }
  return fail('a tag is cut short')
}

const checkInteger = (content: Buffer): void => {
  const [first, second] = content
  if (first === undefined) throw new DerProblem('an INTEGER is empty')
  if (second === undefined) return
  if ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80)) fail('an INTEGER is not minimal')
}

const checkBitString = (content: Buffer): void => {
  const unused = content[0]
  if (unused === undefined) throw new DerProblem('a BIT STRING is empty')
  if (unused > 7 || (content.length === 1 && unused !== 0)) fail('a BIT STRING counts unused bits that it has not')
  if ((content[content.length - 1] as number) & ((1 << unused) - 1) && content.length > 1)
    fail('the padding of a BIT STRING is not zero')
}

const checkOid = (content: Buffer): void => {
  if (content.length === 0) fail('an OBJECT IDENTIFIER is empty')
  let atStart = true
  for (const octet of content) {
    if (atStart && octet === 0x80) fail('an OBJECT IDENTIFIER is not minimal')
    atStart = octet < 0x80
  }
  if (!atStart) fail('an OBJECT IDENTIFIER is cut short')
}

const checkAscii = (content: Buffer): void => {
  for (const octet of content) if (octet > 0x7f) fail('a character string holds octets outside its alphabet')
}

/** UTCTime and GeneralizedTime end in Z and name their seconds. @see X.690 §11.7, §11.8 */
const utcTimeExpression = /^\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])[0-5]\d[0-5]\dZ$/
const generalizedTimeExpression =
  /^\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])[0-5]\d[0-5]\d(\.\d{0,17}[1-9])?Z$/

const checkTime = (content: Buffer, shape: RegExp): void => {
  if (content.length > 34 || !shape.test(content.toString('latin1'))) fail('a time is not in its DER form')
}

const checkPrimitive = (number: number, content: Buffer): void => {
  switch (number) {
    case 1: // BOOLEAN
      if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) fail('a BOOLEAN is neither 00 nor FF')
      return
    case 2: // INTEGER
    case 10: // ENUMERATED
      checkInteger(content)
      return
    case 3:
      checkBitString(content)
      return
    case 4: // OCTET STRING
    case 20: // TeletexString, which has no alphabet that readers agree on
      return
    case 5:
      if (content.length !== 0) fail('a NULL is not empty')
      return
    case 6: // OBJECT IDENTIFIER
    case 13: // RELATIVE-OID
      checkOid(content)
      return
    case 12:
      if (!isUtf8(content)) fail('a UTF8String is not UTF-8')
      return
    case 18: // NumericString
    case 19: // PrintableString
    case 22: // IA5String
    case 26: // VisibleString
      checkAscii(content)
      return
    case 23:
      checkTime(content, utcTimeExpression)
      return
    case 24:
      checkTime(content, generalizedTimeExpression)
      return
    case 28:
      if (content.length % 4 !== 0) fail('a UniversalString is cut short')
      return
    case 30:
      if (content.length % 2 !== 0) fail('a BMPString is cut short')
      return
    default:
      fail('a value has a type that no certificate or request uses, or a constructed one in primitive form')
  }
}

const walk = (state: Walk, start: number, limit: number, depth: number): { element: DerElement; end: number } => {
  const { source } = state
  if (depth > depthLimit) fail('values are nested too deeply')
  if (++state.nodes > nodeLimit) fail('there are too many values')
  const identifier = source[start] as number
  let at = start + 1
  if ((identifier & 0x1f) === 0x1f) at = skipHighTag(source, at, limit)
  if (at >= limit) fail('a value is cut short')
  let length = source[at++] as number
  if (length === 0x80) fail('a length is indefinite')
  if (length > 0x80) {
    const octets = length & 0x7f
    if (octets > 3) fail('a length is not minimal, or too large')
    if (at + octets > limit) fail('a length is cut short')
    length = source.readUIntBE(at, octets)
    if (length < 0x80 || length < 2 ** (8 * (octets - 1))) fail('a length is not minimal')
    at += octets
  }
  const end = at + length
  if (end > limit) fail('a value is cut short')
  const constructed = (identifier & constructedBit) !== 0
  const universal = (identifier & contextClasses) === 0
  const number = identifier & 0x1f
  if (universal && constructed && number !== 16 && number !== 17) fail('a simple value is in constructed form')
  const children: DerElement[] = []
  if (constructed) {
    for (let next = at; next < end; ) {
      const child = walk(state, next, end, depth + 1)
      children.push(child.element)
      next = child.end
    }
    if (universal && number === 17 && !inSetOrder(children)) fail('the members of a SET are out of order')
  } else if (universal) checkPrimitive(number, source.subarray(at, end))
  return { element: new DerElement(source, identifier, start, at, end, children), end }
}

/** True when encodings ascend, as those of a SET OF do. @see X.690 §11.6 */
export const inSetOrder = (members: DerElement[]): boolean =>
  members.every((member, index) => index === 0 || members[index - 1]?.bytes.compare(member.bytes) !== 1)

/**
 * Reads bytes that are exactly one DER value, nothing before or after: definite minimal lengths, canonical simple values,
 * ordered sets, at most 24 levels and 4,096 values. Throws DerProblem for anything else, in time linear in the length.
 * What a context tag hides in primitive form, and the inside of strings, is not looked into.
 * @see X.690 §10, §11
 */
export const readDer = (der: Uint8Array): DerElement => {
  const source = Buffer.isBuffer(der) ? der : Buffer.from(der.buffer, der.byteOffset, der.byteLength)
  if (source.length === 0) fail('there are no bytes')
  const { element, end } = walk({ source, nodes: 0 }, 0, source.length, 0)
  if (end !== source.length) fail('bytes trail behind the value')
  return element
}

/** The children of a value of the given tag; as many as `count` says, when it does. Throws DerProblem otherwise. */
export const childrenOf = (
  element: DerElement | undefined,
  identifier: number,
  what: string,
  count?: number,
): DerElement[] => {
  if (element?.tag !== identifier) throw new DerProblem(`${what} is missing or has the wrong type`)
  if (count !== undefined && element.children.length !== count)
    throw new DerProblem(`${what} has ${element.children.length} parts, not ${count}`)
  return element.children
}

/** The content octets of a value of the given tag. Throws DerProblem otherwise. */
export const contentOf = (element: DerElement | undefined, identifier: number, what: string): Buffer => {
  if (element?.tag !== identifier) throw new DerProblem(`${what} is missing or has the wrong type`)
  return element.content
}

/** The octets of a BIT STRING that ends on an octet boundary. Throws DerProblem otherwise. */
export const octetsOfBits = (element: DerElement | undefined, what: string): Buffer => {
  const content = contentOf(element, 0x03, what)
  if (content[0] !== 0) throw new DerProblem(`${what} does not end on an octet`)
  return content.subarray(1)
}
