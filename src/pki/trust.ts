import { type KeyObject, X509Certificate } from 'node:crypto'
import { sha256Hex } from '../core/bytes.ts'
import { DerProblem } from './der.ts'
import { readPrivateKeys } from './keys.ts'
import { oid } from './oids.ts'
import { currency, endsPath, type IssuerUsage, mayCertify, signedBy, usageProblem } from './path.ts'
import { certificatePem, PemProblem, readPem } from './pem.ts'
import { dnsNamesOf, extendedKeyUsageOf, type ReadCertificate, readCertificate } from './read-certificate.ts'

/** Why trust material cannot be used: what was found and what is expected, never key material. */
export class TrustProblem extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'TrustProblem'
  }
}

/** The roots that everything is checked against. */
export interface TrustBundle {
  roots: X509Certificate[]
  /** Only the blocks, in their order, without repetition. */
  pem: string
  /** Of each root's DER, 64 lower-case hex digits. */
  sha256: string[]
  /** First 16 hex digits of the SHA-256 over the sorted DERs. */
  version: string
  /** Roots that stand beside these and have ended: nothing is trusted because of them. */
  ended: X509Certificate[]
}

const expectedChain = 'expected PEM blocks CERTIFICATE and nothing else'

/**
 * Reads one or more PEM blocks CERTIFICATE, each strict DER, with nothing else between them. Throws TrustProblem.
 */
export const readCertificateChain = (pem: string): X509Certificate[] => {
  if (pem.trim() === '') throw new TrustProblem(`found nothing, ${expectedChain}`)
  if (/^\W*placeholder\W*$/i.test(pem.trim())) throw new TrustProblem(`found the word placeholder, ${expectedChain}`)
  try {
    const blocks = readPem(pem)
    const other = blocks.find(({ label }) => label !== 'CERTIFICATE')
    if (other) throw new TrustProblem(`found a PEM block ${other.label}, ${expectedChain}`)
    return blocks.map(({ der }) => {
      readCertificate(der)
      return new X509Certificate(der)
    })
  } catch (error) {
    if (error instanceof TrustProblem) throw error
    if (error instanceof PemProblem) throw new TrustProblem(`found other text (${error.message}), ${expectedChain}`)
    if (error instanceof DerProblem)
      throw new TrustProblem(`found a certificate that is not strict DER (${error.message}), ${expectedChain}`)
    throw new TrustProblem(`a certificate cannot be read, ${expectedChain}`)
  }
}

const rootProblem = (root: X509Certificate, now: number): string | undefined => {
  try {
    const read = readCertificate(root.raw)
    if (!mayCertify(root, read)) return 'is not a CA'
    if (!signedBy(root, root)) return 'is not self-signed'
    return currency(read, now)
  } catch {
    return 'has an extension that cannot be read'
  }
}

/** Whether the time of a certificate is over at `now`, Unix milliseconds. @see RFC 5280 §4.1.2.5 */
export const isEnded = (certificate: Pick<X509Certificate, 'validToDate'>, now: number): boolean =>
  now > certificate.validToDate.getTime()

/** A bundle of these roots, as they are. */
export const bundleOf = (roots: X509Certificate[], ended: X509Certificate[] = []): TrustBundle => {
  const ders = roots.map(({ raw }) => raw)
  return {
    roots,
    pem: ders.map(certificatePem).join(''),
    sha256: ders.map(sha256Hex),
    version: sha256Hex(Buffer.concat([...ders].sort(Buffer.compare))).slice(0, 16),
    ended,
  }
}

/** What is left of a bundle at `now`, the same object while nothing of it has ended; all of it when nothing would be left. */
export const currentBundle = (bundle: TrustBundle, now: number): TrustBundle => {
  const left = bundle.roots.filter((root) => !isEnded(root, now))
  if (left.length === 0 || left.length === bundle.roots.length) return bundle
  return bundleOf(left, [...bundle.ended, ...bundle.roots.filter((root) => isEnded(root, now))])
}

/**
 * Reads the roots that this plane trusts; `now` in Unix milliseconds. Throws TrustProblem unless the text is nothing but
 * self-signed CA certificates in PEM, at least one of them current; those that have ended beside it are only told. The public
 * root store of the runtime is never a fallback.
 */
export const readTrustBundle = (pem: string, now: number): TrustBundle => {
  const roots = readCertificateChain(pem).filter(
    (root, index, all) => all.findIndex(({ raw }) => raw.equals(root.raw)) === index,
  )
  const someAreCurrent = roots.some((root) => !isEnded(root, now))
  for (const [index, root] of roots.entries()) {
    const problem = rootProblem(root, someAreCurrent ? Math.min(now, root.validToDate.getTime()) : now)
    if (problem) throw new TrustProblem(`certificate ${index + 1} ${problem}, expected a current self-signed root`)
  }
  return currentBundle(bundleOf(roots), now)
}

/**
 * What is wrong with an issuer of client or server certificates, or undefined. It must be a current CA, signed by a root of
 * the bundle, and its extendedKeyUsage must keep it to its kind: a stolen client issuer never impersonates a server.
 */
export const verifyIssuer = (
  issuer: X509Certificate,
  bundle: TrustBundle,
  now: number,
  usage: IssuerUsage,
): string | undefined => {
  try {
    const read = readCertificate(issuer.raw)
    if (!mayCertify(issuer, read)) return 'the issuer is not a CA'
    const currencyProblem = currency(read, now)
    if (currencyProblem) return `the issuer ${currencyProblem}`
    const root = bundle.roots.find((candidate) => signedBy(issuer, candidate))
    if (!root) return 'the issuer does not chain to the trust bundle, expected the signature of one of its roots'
    if (!root.raw.equals(issuer.raw) && endsPath(readCertificate(root.raw))) return 'the root allows no issuer below it'
    const problem = usageProblem(read, usage)
    return problem && `the issuer ${problem}`
  } catch {
    return 'the issuer cannot be read as a certificate'
  }
}

/** True when a private key belongs to a certificate. */
export const keyMatches = (certificate: X509Certificate, privateKey: KeyObject): boolean =>
  certificate.checkPrivateKey(privateKey)

const privateKeyOf = (keyPem: string): KeyObject | string => {
  try {
    const [key, ...others] = readPrivateKeys(keyPem)
    return key && others.length === 0 ? key : 'found no private key, or several, expected one PEM block PRIVATE KEY'
  } catch (error) {
    return `the private key cannot be read${error instanceof PemProblem ? `: ${error.message}` : ''}`
  }
}

const leafProblems = (leaf: X509Certificate, read: ReadCertificate, hostname: string, now: number): string[] => {
  const problems: string[] = []
  const names = dnsNamesOf(read)
  if (!names.includes(hostname))
    problems.push(`the certificate names ${names.join(', ') || 'no DNS name'}, expected ${hostname}`)
  const currencyProblem = currency(read, now)
  if (currencyProblem) problems.push(`the certificate ${currencyProblem}`)
  if (!extendedKeyUsageOf(read)?.includes(oid.serverAuth))
    problems.push('the certificate has no extendedKeyUsage serverAuth')
  if (leaf.ca) problems.push('the certificate is a CA, expected one of a server')
  return problems
}

const pathProblem = (chain: X509Certificate[], bundle: TrustBundle, now: number): string | undefined => {
  const isRoot = (certificate: X509Certificate): boolean => bundle.roots.some(({ raw }) => raw.equals(certificate.raw))
  const path = chain.filter((certificate, index) => index === 0 || !isRoot(certificate))
  for (const [index, certificate] of path.entries()) {
    const authority = path[index + 1] ?? bundle.roots.find((root) => signedBy(certificate, root))
    if (!authority) return 'the chain does not lead to the trust bundle'
    if (!signedBy(certificate, authority)) return `certificate ${index + 1} of the chain is not signed by the next`
    // A path length of 0 lets a leaf, and nothing but a leaf, stand below.
    if (index > 0 && endsPath(readCertificate(authority.raw))) return 'an authority of the chain allows none below it'
    const above = path[index + 1]
    if (!above) continue
    const read = readCertificate(above.raw)
    if (!mayCertify(above, read)) return `certificate ${index + 2} of the chain is not a CA`
    const currencyProblem = currency(read, now)
    if (currencyProblem) return `certificate ${index + 2} of the chain ${currencyProblem}`
    const usages = usageProblem(read, 'server')
    if (usages) return `certificate ${index + 2} of the chain ${usages}: the issuer of clients never signs a server`
  }
  return undefined
}

export interface ServerMaterial {
  /** The server's certificate, then its issuers; a root of the bundle may end it. */
  chainPem: string
  keyPem: string
  /** Must stand in the certificate as a DNS name, exactly. */
  hostname: string
  bundle: TrustBundle
  /** Unix milliseconds. */
  now: number
}

/** Everything that is wrong with a server's certificate, chain and key, one line each, never key material; empty when fit. */
export const checkServerChain = ({ chainPem, keyPem, hostname, bundle, now }: ServerMaterial): string[] => {
  try {
    const chain = readCertificateChain(chainPem)
    const leaf = chain[0] as X509Certificate
    const problems = leafProblems(leaf, readCertificate(leaf.raw), hostname, now)
    const path = pathProblem(chain, bundle, now)
    if (path) problems.push(path)
    const key = privateKeyOf(keyPem)
    if (typeof key === 'string') problems.push(key)
    else if (!keyMatches(leaf, key)) problems.push('the certificate does not match its key')
    return problems
  } catch (error) {
    return [error instanceof TrustProblem ? error.message : 'the chain cannot be read']
  }
}
