import { X509Certificate } from 'node:crypto'
import { sha256Hex } from '../core/bytes.ts'
import { readTrustBundle, TrustProblem } from '../pki/trust.ts'
import { certificateBlocks } from './identity.ts'

/**
 * The version of a trust bundle: first 16 hex digits of the SHA-256 over its roots' sorted DERs. Of no root: that of
 * nothing, which no server has.
 */
export const versionOf = (rootsPem: string): string => {
  const ders = certificateBlocks(rootsPem).map((block) => new X509Certificate(block).raw)
  const distinct = ders.filter((der, index) => ders.findIndex((other) => other.equals(der)) === index)
  return sha256Hex(Buffer.concat(distinct.sort(Buffer.compare))).slice(0, 16)
}

/** The bundle in plain form, or why it cannot be used: nothing but current, self-signed CA certificates. */
export const usableRoots = (pem: string, now: number): { pem: string } | { problem: string } => {
  try {
    return { pem: readTrustBundle(pem, now).pem }
  } catch (error) {
    if (error instanceof TrustProblem) return { problem: error.message }
    throw error
  }
}
