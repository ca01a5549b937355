import { createPrivateKey, X509Certificate } from 'node:crypto'
import { type Issuer, readIssuers } from '../pki/issuer.ts'
import { isP256Key, publicKeyOf, readPrivateKeys, spkiOf } from '../pki/keys.ts'
import { makeLocalSigner } from '../pki/local-signer.ts'
import type { IssuerUsage } from '../pki/path.ts'
import type { Signer } from '../pki/signer.ts'
import { bundleOf, checkServerChain, readTrustBundle, type TrustBundle, verifyIssuer } from '../pki/trust.ts'
import { type Ended, endedRoots, withoutEnded } from './ended.ts'
import type { KmsKey, KmsKeys, KmsUse } from './kms-keys.ts'
import { variables } from './options.ts'
import { type Problem, quoted } from './problems.ts'
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
  /** As configured, or absent: then `serverIssuer` signs one for each process; it is absent while its key is out of reach. */
  server?: ServerCertificate
  serverIssuer?: Issuer
  /** Signs checkpoints over audit events; absent when there is none, or KMS has not answered yet. */
  audit?: Signer
  /** Issuers and roots that have ended and stand beside others: of no use, and nothing follows from them. */
  ended: Ended[]
}

export interface SecretsCheck {
  /** Absent: the name is wrong itself, and is reported elsewhere. */
  hostname: string | undefined
  /** Unix milliseconds. */
  now: number
  /** Keys in KMS, as far as it has answered. */
  kms?: Pick<KmsKeys, 'known' | 'unknown' | 'problems'> | undefined
}

/** What a check came to; `secrets` are there only when there is no problem. */
export interface SecretsChecked {
  secrets?: Secrets
  problems: Problem[]
  /** Keys in KMS that belong to no certificate. */
  strangers: KmsKey[]
}

const noBundle = bundleOf([])

/** What is wrong with a trust text is said by the error alone. */
const attempt = <T>(run: () => T, name: string, problems: Problem[]): T | undefined => {
  try {
    return run()
  } catch (error) {
    problems.push({ name, message: (error as Error).message })
    return undefined
  }
}

const belongTogether = (issuer: Issuer, { signer }: KmsKey): boolean =>
  spkiOf(issuer.certificate.publicKey).equals(spkiOf(signer.publicKey))

/** Checks what was read. Every fault is reported. A key that KMS has not yet told us of leaves its issuer without a signer. */
export const checkSecrets = (reading: SecretsReading, { hostname, now, kms }: SecretsCheck): SecretsChecked => {
  const { texts, unreadable } = reading
  const problems = [...reading.problems, ...(kms?.problems() ?? [])]
  const strangers: KmsKey[] = []
  const usesKms = (use: KmsUse): boolean => kms !== undefined && kms.known(use).length + kms.unknown(use).length > 0

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
  const ended: Ended[] = endedRoots(bundle, nameOf('caCert'))

  /** What was given as the audit key: exactly one P-256 key. Throws when it is not. */
  const readAuditKey = (): { name: string; signer: Signer } | undefined => {
    const { auditKey } = texts
    const [kmsKey] = kms?.known('audit') ?? []
    if (auditKey === undefined) return kmsKey && { name: kmsKey.variable, signer: kmsKey.signer }
    const signer = attempt(
      () => {
        const [key, ...more] = readPrivateKeys(auditKey.text)
        if (key === undefined || more.length > 0 || !isP256Key(key))
          throw new Error(
            `found ${more.length > 0 ? 'several keys' : 'no P-256 key'}, expected one private key on P-256`,
          )
        return makeLocalSigner(key)
      },
      auditKey.name,
      problems,
    )
    return signer && { name: auditKey.name, signer }
  }

  const kmsVariable = { issuer: variables.issuerKmsKeyId.env, serverIssuer: variables.serverIssuerKmsKeyId.env }
  const withKeysOf = (use: KmsUse, issuers: Issuer[], certificates: string): Issuer[] => {
    const keys = kms?.known(use) ?? []
    for (const key of keys.filter((each) => !issuers.some((issuer) => belongTogether(issuer, each)))) {
      strangers.push(key)
      const message = `found the key ${quoted(key.id)}, which has no certificate in ${certificates}, expected the key of one of them`
      problems.push({ name: key.variable, message })
    }
    return issuers.map((issuer) => {
      const signer = issuer.signer ?? keys.find((key) => belongTogether(issuer, key))?.signer
      return signer === undefined ? issuer : { ...issuer, signer }
    })
  }

  const readIssuersOf = (
    certificate: SecretName,
    key: SecretName,
    { usage, use }: { usage: IssuerUsage; use: keyof typeof kmsVariable },
  ): Issuer[] => {
    const found = texts[certificate]
    if (found === undefined) {
      if (texts[key] !== undefined) missing(certificate, `the certificate of ${nameOf(key)}, PEM`)
      else if (usesKms(use)) missing(certificate, `the certificate of ${kmsVariable[use]}, PEM`)
      return []
    }
    const issuers = attempt(() => readIssuers(found.text, texts[key]?.text), found.name, problems)
    if (issuers === undefined) return []
    // Keys first: that of an issuer which has ended may stay where it is as well.
    const paired = withKeysOf(use, issuers, found.name)
    if (bundle === undefined) return paired
    const { current, over } = withoutEnded(paired, bundle, { now, usage, variable: nameOf(certificate) })
    ended.push(...over)
    for (const { certificate: read } of current) {
      const message = verifyIssuer(read, bundle, now, usage)
      if (message !== undefined) problems.push({ name: found.name, message })
    }
    return current
  }
  const issuers = readIssuersOf('issuerCert', 'issuerKey', { usage: 'client', use: 'issuer' })

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
  const serverIssuers = readIssuersOf('serverIssuerCert', 'serverIssuerKey', {
    usage: 'server',
    use: 'serverIssuer',
  })
  if (issuesItsOwn && !usesKms('serverIssuer'))
    missing('serverIssuerKey', `the private key of ${nameOf('serverIssuerCert')}, PEM`)
  const server = issuesItsOwn ? undefined : readServer()
  const serverIssuer = serverIssuers.find(({ signer }) => signer !== undefined)

  // Who issues, or stands in for the server, must not be able to vouch for the log of what was issued.
  const audit = readAuditKey()
  const taken = [
    ...(bundle?.roots ?? []).map(({ publicKey }) => ({ what: 'a root', publicKey })),
    ...issuers.map(({ certificate }) => ({ what: 'an issuer', publicKey: certificate.publicKey })),
    ...ended.map(({ certificate, kind }) => ({ what: `an ended ${kind}`, publicKey: certificate.publicKey })),
    ...serverIssuers.map(({ certificate }) => ({ what: 'the issuer of the server', publicKey: certificate.publicKey })),
    ...(server === undefined ? [] : [{ what: 'the server', publicKey: publicKeyOf(createPrivateKey(server.key_pem)) }]),
  ].find(({ publicKey }) => audit !== undefined && spkiOf(publicKey).equals(spkiOf(audit.signer.publicKey)))
  if (audit !== undefined && taken !== undefined)
    problems.push({ name: audit.name, message: `found the key of ${taken.what}, expected one that signs nothing else` })

  if (problems.length > 0 || bundle === undefined) return { problems, strangers }
  return {
    secrets: {
      bundle,
      issuers,
      ...(server === undefined ? {} : { server }),
      ...(server !== undefined || serverIssuer === undefined ? {} : { serverIssuer }),
      ...(audit === undefined ? {} : { audit: audit.signer }),
      ended,
    },
    problems,
    strangers,
  }
}
