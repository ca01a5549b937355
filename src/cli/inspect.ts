import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { connect } from 'node:tls'
import { networkCode } from '../client/network-code.ts'
import { second, toRfc3339 } from '../core/time.ts'
import { childrenOf, readDer } from '../pki/der.ts'
import { tag } from '../pki/der-encode.ts'
import { oid } from '../pki/oids.ts'
import { extendedKeyUsageOf, type ReadExtension, readCertificate } from '../pki/read-certificate.ts'
import { asCliError, CliError, configurationError, exitCode } from './errors.ts'
import { explainRefused } from './failures.ts'
import { colonHex } from './text.ts'

/** What a certificate says, as data; nothing is judged. */
export interface Inspection {
  subject: string
  names: string[]
  issuer: string
  serial_number: string
  /** SHA-256 of the DER, 64 lower-case hex digits, as the registry has it. */
  fingerprint: string
  not_before: string
  expires_at: string
  key: string
  ca: boolean
  key_usage?: string[]
  extended_key_usage?: string[]
  subject_key_id?: string
  authority_key_id?: string
  principal_type?: string
  principal_id?: string
  other_extensions?: Record<string, string>
}

const usageNames: Record<string, string> = {
  [oid.serverAuth]: 'serverAuth',
  [oid.clientAuth]: 'clientAuth',
  [oid.ocspSigning]: 'OCSPSigning',
  [oid.anyExtendedKeyUsage]: 'anyExtendedKeyUsage',
}

/** Names of the bits, the first one first. @see RFC 5280 §4.2.1.3 */
const keyUsageNames = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
]

/** The arc of the private extensions unless a server was told another. */
const privateArc = '1.3.6.1.4.1.99999.1'

const wellKnown = new Set<string>([
  oid.subjectKeyIdentifier,
  oid.keyUsage,
  oid.subjectAltName,
  oid.basicConstraints,
  oid.authorityKeyIdentifier,
  oid.extKeyUsage,
  `${privateArc}.1`,
  `${privateArc}.2`,
])

const keyUsageOf = (extension: ReadExtension): string[] => {
  const bits = readDer(extension.value).content
  return keyUsageNames.filter((_, index) => ((bits[1 + (index >> 3)] ?? 0) & (0x80 >> (index & 7))) !== 0)
}

const utf8Of = (extension: ReadExtension | undefined): string | undefined => {
  if (extension === undefined) return undefined
  const element = readDer(extension.value)
  return element.tag === tag.utf8String ? element.content.toString('utf8') : undefined
}

/** The text of an extension that we have no reader for: its string if it is one, else its bytes. */
const otherText = (extension: ReadExtension): string => {
  try {
    const text = utf8Of(extension)
    if (text !== undefined) return text
  } catch {
    // Not DER: shown as it is.
  }
  return colonHex(extension.value.toString('hex'))
}

const extensionsOf = (certificate: X509Certificate): Partial<Inspection> => {
  const read = readCertificate(certificate.raw)
  const find = (id: string) => read.extensions.find((extension) => extension.oid === id)
  const usage = find(oid.keyUsage)
  const usages = extendedKeyUsageOf(read)
  const skid = find(oid.subjectKeyIdentifier)
  const akid = find(oid.authorityKeyIdentifier)
  const authority = akid && childrenOf(readDer(akid.value), tag.sequence, 'the authority key identifier')[0]
  const type = utf8Of(find(`${privateArc}.1`))
  const id = utf8Of(find(`${privateArc}.2`))
  const others = read.extensions.filter((extension) => !wellKnown.has(extension.oid))
  return {
    ...(usage === undefined ? {} : { key_usage: keyUsageOf(usage) }),
    ...(usages === undefined ? {} : { extended_key_usage: usages.map((usage) => usageNames[usage] ?? usage) }),
    ...(skid === undefined ? {} : { subject_key_id: readDer(skid.value).content.toString('hex') }),
    ...(authority?.tag === 0x80 ? { authority_key_id: authority.content.toString('hex') } : {}),
    ...(type === undefined ? {} : { principal_type: type }),
    ...(id === undefined ? {} : { principal_id: id }),
    ...(others.length === 0
      ? {}
      : { other_extensions: Object.fromEntries(others.map((extension) => [extension.oid, otherText(extension)])) }),
  }
}

const keyText = (certificate: X509Certificate): string => {
  const { asymmetricKeyType = 'unknown', asymmetricKeyDetails: details = {} } = certificate.publicKey
  const size = details.namedCurve ?? (details.modulusLength === undefined ? '' : `${details.modulusLength} bits`)
  return `${asymmetricKeyType} ${size}`.trim()
}

const onOneLine = (name: string | undefined): string => (name ?? '').split('\n').reverse().join(', ')

/** Reads a certificate. What cannot be read strictly is left out, so that foreign certificates show as well. */
export const inspect = (certificate: X509Certificate): Inspection => {
  let extensions: Partial<Inspection> = {}
  try {
    extensions = extensionsOf(certificate)
  } catch {
    // Not strict DER, or not a structure of ours: the rest is shown all the same.
  }
  return {
    subject: onOneLine(certificate.subject),
    names: (certificate.subjectAltName ?? '').split(', ').filter((name) => name !== ''),
    issuer: onOneLine(certificate.issuer),
    serial_number: certificate.serialNumber.toLowerCase().padStart(32, '0'),
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    not_before: toRfc3339(Date.parse(certificate.validFrom)),
    expires_at: toRfc3339(Date.parse(certificate.validTo)),
    key: keyText(certificate),
    ca: certificate.ca,
    ...extensions,
  }
}

const handshakeLimit = 10 * second

/** The certificates that a TLS server shows, its own first. Nothing is verified and nothing is sent. */
export const certificatesOfServer = (host: string, port: number, signal: AbortSignal): Promise<X509Certificate[]> =>
  new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      servername: isIP(host) ? '' : host,
      rejectUnauthorized: false,
      timeout: handshakeLimit,
    })
    const fail = (error: Error) => {
      socket.destroy()
      reject(error)
    }
    signal.addEventListener('abort', () => fail(signal.reason as Error), { once: true })
    socket.once('timeout', () => fail(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })))
    socket.once('error', fail)
    socket.once('secureConnect', () => {
      const found: X509Certificate[] = []
      // Links back to itself at a root.
      for (let next = socket.getPeerCertificate(true); next?.raw && found.length < 10; next = next.issuerCertificate) {
        const certificate = new X509Certificate(next.raw)
        if (found.some(({ raw }) => raw.equals(certificate.raw))) break
        found.push(certificate)
      }
      socket.destroy()
      resolve(found)
    })
  })

/** Reads what HOST:PORT shows, with failures in words. */
export const inspectServer = async (host: string, port: number, signal: AbortSignal): Promise<X509Certificate[]> => {
  try {
    return await certificatesOfServer(host, port, signal)
  } catch (error) {
    if (asCliError(error) !== undefined) throw error
    const code = networkCode(error)
    if (code.startsWith('ERR_SSL_') || code === 'EPROTO')
      throw new CliError(exitCode.notLetIn, `the TLS handshake with ${host}:${port} failed`, {
        why: explainRefused(code),
        cause: error,
      })
    throw new CliError(exitCode.unreachable, `cannot reach ${host}:${port}`, {
      why: `The system says ${code}.`,
      cause: error,
    })
  }
}

/** `HOST:PORT` or `[ADDRESS]:PORT` taken apart, undefined for other text. */
export const readEndpoint = (text: string): { host: string; port: number } | undefined => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (!match || port < 1 || port > 65535) return undefined
  return { host: (match[1] ?? match[2]) as string, port }
}

/** Refuses a text without a certificate in it. */
export const requireCertificates = (certificates: X509Certificate[], source: string): X509Certificate[] => {
  if (certificates.length === 0)
    throw configurationError(`${source} holds no certificate`, { next: 'It must be PEM: -----BEGIN CERTIFICATE-----.' })
  return certificates
}
