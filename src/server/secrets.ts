import { X509Certificate } from 'node:crypto'
import { type Issuer, readIssuers } from '../pki/issuer.ts'
import type { IssuerUsage } from '../pki/path.ts'
import { checkServerChain, readTrustBundle, type TrustBundle, verifyIssuer } from '../pki/trust.ts'
import type { Problem } from './problems.ts'
import { nameOf, type SecretName, type SecretsReading } from './secret-texts.ts'

/** What the server shows in handshakes. */
export interface ServerCertificate {
  /** Leaf first, PEM. */
  chain_pem: string
  key_pem: string
  /** Unix milliseconds, of the leaf. */
  not_before: number
  not_after: number
}

/** Keys and certificates of this process, checked. Never logged. */
export interface Secrets {
  bundle: TrustBundle
  /** Issuers of client certificates that are known here; those with a `signer` can issue. */
  issuers: Issuer[]
  /** As configured, or absent: then `serverIssuer` signs one for each process. */
  server?: ServerCertificate
  serverIssuer?: Issuer
}

export interface SecretsCheck {
  /** Absent: the name is wrong itself, and is reported elsewhere. */
  hostname: string | undefined
  /** Unix milliseconds. */
  now: number
}

const noBundle: TrustBundle = { roots: [], pem: '', sha256: [], version: '' }

/** What is wrong with a trust text is said by the error alone. */
const attempt = <T>(run: () => T, name: string, problems: Problem[]): T | undefined => {
  try {
    return run()
  } catch (error) {
    problems.push({ name, message: (error as Error).message })
    return undefined
  }
}

/** Checks what was read. Every fault is reported; `secrets` are there only when there is none. */
export const checkSecrets = (
  reading: SecretsReading,
  { hostname, now }: SecretsCheck,
): { secrets?: Secrets; problems: Problem[] } => {
  const { texts, unreadable } = reading
  const problems = [...reading.problems]

  const missing = (secret: SecretName, why: string) => {
    if (texts[secret] === undefined && !unreadable.has(secret))
      problems.push({ name: nameOf(secret), message: `found nothing, expected ${why}` })
  }

  const readBundle = (): TrustBundle | undefined => {
    const { caCert } = texts
    if (caCert !== undefined) return attempt(() => readTrustBundle(caCert.text, now), caCert.name, problems)
    missing('caCert', 'the roots to trust, PEM')
    return undefined
  }
  const bundle = readBundle()

  const readIssuersOf = (certificate: SecretName, key: SecretName, usage: IssuerUsage): Issuer[] => {
    const found = texts[certificate]
    if (found === undefined) {
      if (texts[key] !== undefined) missing(certificate, `the certificate of ${nameOf(key)}, PEM`)
      return []
    }
    const issuers = attempt(() => readIssuers(found.text, texts[key]?.text), found.name, problems) ?? []
    for (const { certificate: read } of bundle === undefined ? [] : issuers) {
      const message = verifyIssuer(read, bundle as TrustBundle, now, usage)
      if (message !== undefined) problems.push({ name: found.name, message })
    }
    return issuers
  }
  const issuers = readIssuersOf('issuerCert', 'issuerKey', 'client')

  const readServer = (): ServerCertificate | undefined => {
    const { serverCert, serverKey } = texts
    if (serverCert === undefined || serverKey === undefined) {
      missing('serverCert', `the certificate of the server, PEM, or ${nameOf('serverIssuerCert')} with its key`)
      if (serverCert !== undefined || unreadable.has('serverCert'))
        missing('serverKey', `the private key of ${nameOf('serverCert')}, PEM`)
      return undefined
    }
    const found = checkServerChain({
      chainPem: serverCert.text,
      keyPem: serverKey.text,
      hostname: hostname ?? '',
      bundle: bundle ?? noBundle,
      now,
    })
    // A wrong name or bundle was reported as such, and would be repeated here.
    const reported = (message: string) =>
      (hostname === undefined && message.endsWith('expected ')) ||
      (bundle === undefined && message.includes('trust bundle'))
    for (const message of found.filter((each) => !reported(each))) problems.push({ name: serverCert.name, message })
    if (found.length > 0) return undefined
    const leaf = new X509Certificate(serverCert.text)
    return {
      chain_pem: serverCert.text,
      key_pem: serverKey.text,
      not_before: leaf.validFromDate.getTime(),
      not_after: leaf.validToDate.getTime(),
    }
  }

  const issuesItsOwn =
    texts.serverCert === undefined && texts.serverKey === undefined && texts.serverIssuerCert !== undefined
  const serverIssuers = readIssuersOf('serverIssuerCert', 'serverIssuerKey', 'server')
  if (issuesItsOwn) missing('serverIssuerKey', `the private key of ${nameOf('serverIssuerCert')}, PEM`)
  const server = issuesItsOwn ? undefined : readServer()
  const serverIssuer = serverIssuers.find(({ signer }) => signer !== undefined)

  if (problems.length > 0 || bundle === undefined) return { problems }
  return {
    secrets: {
      bundle,
      issuers,
      ...(server === undefined ? {} : { server }),
      ...(server !== undefined || serverIssuer === undefined ? {} : { serverIssuer }),
    },
    problems,
  }
}
