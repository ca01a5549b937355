import { X509Certificate } from 'node:crypto'
import { type AuthorityRecord, stateOf } from '../../core/authority.ts'
import { sha256Hex } from '../../core/bytes.ts'
import { toRfc3339 } from '../../core/time.ts'
import { issuerIdOf } from '../../pki/issuer.ts'
import { spkiOf } from '../../pki/keys.ts'
import { signedBy } from '../../pki/path.ts'
import { certificatePem } from '../../pki/pem.ts'
import type { TrustBundle } from '../../pki/trust.ts'
import type { Authority } from '../../wire/authorities.ts'

/** A Name on one line, most specific part first. @see RFC 4514 §2.1 */
const dnOf = (subject: string): string => subject.split('\n').reverse().join(',')

const factsOf = (certificate: X509Certificate) => ({
  subject_dn: dnOf(certificate.subject),
  sha256: sha256Hex(certificate.raw),
  not_before: toRfc3339(certificate.validFromDate.getTime()),
  expires_at: toRfc3339(certificate.validToDate.getTime()),
  certificate_pem: certificatePem(certificate.raw),
})

/** The root of the bundle that signed an issuer. */
export const rootOf = (certificate: X509Certificate, { roots }: TrustBundle): X509Certificate | undefined =>
  roots.find((root) => signedBy(certificate, root))

/** An issuer as the wire shows it. */
export const renderIssuer = (record: AuthorityRecord, active: string | undefined, roots: TrustBundle): Authority => {
  const certificate = new X509Certificate(Buffer.from(record.certificate_der))
  const root = rootOf(certificate, roots)
  const times = (['prepared_at', 'activated_at', 'retired_at', 'removed_at'] as const).flatMap((name) =>
    record[name] === undefined ? [] : [[name, toRfc3339(record[name])]],
  )
  return {
    issuer_id: record.issuer_id,
    kind: 'issuer',
    state: stateOf(record, active),
    ...factsOf(certificate),
    ...(root === undefined ? {} : { root_sha256: sha256Hex(root.raw) }),
    ...(record.kms_key_id === undefined ? {} : { kms_key_id: record.kms_key_id }),
    ...Object.fromEntries(times),
    version: record.version,
  }
}

/** A root as the wire shows it: trusted, as the configuration says, and in no other state ever. */
export const renderRoot = (certificate: X509Certificate): Authority => ({
  issuer_id: issuerIdOf(spkiOf(certificate.publicKey)),
  kind: 'root',
  state: 'trusted',
  ...factsOf(certificate),
  version: 0,
})
