import { hash, type X509Certificate } from 'node:crypto'
import type { PresentedCertificate } from './inspect.ts'

/** So many certificates are remembered: at some 500 octets each, less than 10 MB. */
export const mostRemembered = 16_384

/**
 * Looks at a certificate once for all connections that it comes with: the walk through its fields and the signature are a
 * third of what our own check of a handshake costs. What was found depends on nothing but the octets of the certificate, by
 * whose SHA-256 it is kept, and on what `look` holds, so there is one memory for each state of the trusted issuers. Only what
 * was found good takes a place, and who came last is kept longest. Never throws when `look` never does.
 */
export const rememberPresented = (
  look: (certificate: X509Certificate) => PresentedCertificate | undefined,
  most = mostRemembered,
) => {
  const remembered = new Map<string, PresentedCertificate>()
  return (certificate: X509Certificate): PresentedCertificate | undefined => {
    const { raw } = certificate
    if (raw === undefined) return look(certificate)
    const sha256 = hash('sha256', raw)
    const known = remembered.get(sha256)
    const presented = known ?? look(certificate)
    if (presented === undefined) return undefined
    if (known !== undefined) remembered.delete(sha256)
    remembered.set(sha256, presented)
    if (remembered.size > most) remembered.delete(remembered.keys().next().value as string)
    return presented
  }
}
