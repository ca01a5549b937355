/** Why some text is not PEM as this plane reads it. Never holds the text. */
export class PemProblem extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'PemProblem'
  }
}

/** One block: what stands after BEGIN, and the decoded bytes. */
export interface PemBlock {
  label: string
  der: Buffer
}

const boundaryExpression = /^-----(BEGIN|END) ([A-Z0-9]+(?: [A-Z0-9]+)*)-----[ \t]*$/
const base64Expression = /^[A-Za-z0-9+/]+={0,2}$/
const blankExpression = /^[ \t]*$/

/** Base64 that re-encodes to itself: full quanta, no stray bits. @see RFC 4648 §3.5 */
const decodeBase64 = (text: string): Buffer => {
  const der = Buffer.from(text, 'base64')
  if (der.toString('base64') !== text) throw new PemProblem('the base64 of a PEM block is not canonical')
  return der
}

/**
 * Reads blocks with nothing before, between or after them but spaces, tabs and line breaks (LF or CRLF). Lines may have any
 * width; headers, comments and blank lines inside a block are refused. Throws PemProblem.
 * @see RFC 7468 §3
 */
export const readPem = (text: string): PemBlock[] => {
  const blocks: PemBlock[] = []
  let label: string | undefined
  let body: string[] = []
  for (const raw of text.split('\n')) {
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw
    const boundary = boundaryExpression.exec(line)
    if (boundary) {
      if ((boundary[1] === 'BEGIN') !== (label === undefined)) throw new PemProblem('a PEM block is truncated')
      if (label === undefined) {
        label = boundary[2] as string
        body = []
        continue
      }
      if (boundary[2] !== label) throw new PemProblem('a PEM block begins with one label and ends with another')
      if (body.length === 0) throw new PemProblem('a PEM block is empty')
      blocks.push({ label, der: decodeBase64(body.join('')) })
      label = undefined
    } else if (label === undefined) {
      if (!blankExpression.test(line)) throw new PemProblem('there is text outside of the PEM blocks')
    } else if (base64Expression.test(line)) body.push(line)
    else if (line.startsWith('-----')) throw new PemProblem('a PEM block is truncated')
    else throw new PemProblem('a PEM block holds something that is not base64')
  }
  if (label !== undefined) throw new PemProblem('a PEM block is truncated')
  return blocks
}

const lineLength = 64

/** Writes one block, lines of 64 characters, a line break at the end. @see RFC 7468 §2 */
export const writePem = (label: string, der: Uint8Array): string => {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64')
  let text = `-----BEGIN ${label}-----\n`
  // An empty block has an empty line, as it always had.
  for (let at = 0; at === 0 || at < base64.length; at += lineLength) text += `${base64.slice(at, at + lineLength)}\n`
  return `${text}-----END ${label}-----\n`
}

export const certificatePem = (der: Uint8Array): string => writePem('CERTIFICATE', der)
