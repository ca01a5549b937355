import { createPrivateKey, X509Certificate } from 'node:crypto'
import { sha256Hex } from '../core/bytes.ts'
import { generateKeyPair, privateKeyPem } from '../pki/keys.ts'
import { readPem } from '../pki/pem.ts'
import { makeCsr } from '../pki/request.ts'
import { FileProblem } from './files.ts'

/** A certificate with the key it was issued for, and the roots by which its holder verifies the server. */
export interface Identity {
  keyPem: string
  /** The leaf, then its issuers; no root. */
  chainPem: string
  /** PEM of the roots; empty when none were stored with it. */
  rootsPem: string
  certificate: X509Certificate
}

/** A key whose certificate was asked for, and the request: sent again, it is the same request. */
export interface Asked {
  keyPem: string
  csrPem: string
}

const privateKeyExpression = /-----BEGIN (?:EC )?PRIVATE KEY-----[^-]+-----END (?:EC )?PRIVATE KEY-----\n?/
const requestExpression = /-----BEGIN CERTIFICATE REQUEST-----[^-]+-----END CERTIFICATE REQUEST-----\n?/
const certificateExpression = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g

const line = (block: string): string => (block.endsWith('\n') ? block : `${block}\n`)

/** The PEM blocks CERTIFICATE of a text, in their order. */
export const certificateBlocks = (pem: string): string[] => (pem.match(certificateExpression) ?? []).map(line)

const isRoot = (block: string): boolean => {
  const certificate = new X509Certificate(block)
  return certificate.subject === certificate.issuer && certificate.verify(certificate.publicKey)
}

const unusable = (source: string, why: string, cause?: unknown): FileProblem =>
  new FileProblem('unusable', `${source} cannot be used`, why, cause === undefined ? {} : { cause })

/** An identity of a key and certificates, which may hold roots as well. Throws FileProblem when they do not fit. */
export const makeIdentity = (keyPem: string, certificatesPem: string, source: string): Identity => {
  let roots: string[]
  let chain: string[]
  let certificate: X509Certificate
  let fits: boolean
  try {
    const blocks = certificateBlocks(certificatesPem)
    roots = blocks.filter(isRoot)
    chain = blocks.filter((block) => !roots.includes(block))
    certificate = new X509Certificate(chain[0] ?? '')
    fits = certificate.checkPrivateKey(createPrivateKey(keyPem))
  } catch (error) {
    throw unusable(source, 'It holds no certificate with its key.', error)
  }
  if (!fits) throw unusable(source, 'The key does not belong to the certificate.')
  return { keyPem: line(keyPem), chainPem: chain.join(''), rootsPem: roots.join(''), certificate }
}

/** The text of a file that holds an identity: key, chain, roots. */
export const renderIdentity = ({ keyPem, chainPem, rootsPem }: Identity): string => `${keyPem}${chainPem}${rootsPem}`

export const renderAsked = ({ keyPem, csrPem }: Asked): string => `${line(keyPem)}${line(csrPem)}`

/** Reads what `renderIdentity` or `renderAsked` wrote. */
export const readIdentityFile = (text: string, source: string): Identity | Asked => {
  const keyPem = privateKeyExpression.exec(text)?.[0]
  if (keyPem === undefined) throw unusable(source, 'It holds no private key.')
  const csrPem = requestExpression.exec(text)?.[0]
  if (csrPem !== undefined) return { keyPem: line(keyPem), csrPem: line(csrPem) }
  return makeIdentity(keyPem, text, source)
}

export const isIdentity = (read: Identity | Asked | undefined): read is Identity =>
  read !== undefined && 'certificate' in read

/** A fresh key and the request for it. */
export const askWithNewKey = (commonName: string): Asked => {
  const { privateKey } = generateKeyPair()
  return { keyPem: privateKeyPem(privateKey), csrPem: makeCsr(privateKey, commonName) }
}

/** True when the key of a request is the one that an identity has: its certificate is the answer. */
export const isAnswered = ({ keyPem }: Asked, identity: Identity | undefined): boolean =>
  identity !== undefined && identity.keyPem.trim() === keyPem.trim()

/** SHA-256 of the DER of a request, 64 hex digits. */
export const csrSha256 = (csrPem: string): string => sha256Hex(readPem(csrPem)[0]?.der ?? Buffer.alloc(0))

/** The same certificate for the same key: nothing more has to fit. */
export const identityOfAnswer = (
  { keyPem }: Asked,
  answer: { chain_pem: string; trust_bundle_pem: string },
): Identity => makeIdentity(keyPem, `${answer.chain_pem}${answer.trust_bundle_pem}`, 'the answer of the server')

export const serialOf = ({ certificate }: Pick<Identity, 'certificate'>): string =>
  certificate.serialNumber.toLowerCase().padStart(32, '0')

/** Unix milliseconds. */
export const lifeOf = ({ certificate }: Pick<Identity, 'certificate'>): { from: number; to: number } => ({
  from: Date.parse(certificate.validFrom),
  to: Date.parse(certificate.validTo),
})

const spiffeExpression = /URI:spiffe:\/\/([^/]+)\/([^/]+)\/([^\s,]+)/

/** Who a certificate says its holder is; for people and hooks to read, the registry decides. */
export const nameOf = ({ certificate }: Pick<Identity, 'certificate'>): { type: string; principalId: string } => {
  const [, , type = '', principalId = ''] = spiffeExpression.exec(certificate.subjectAltName ?? '') ?? []
  return { type, principalId }
}
