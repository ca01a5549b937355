import type { X509Certificate } from 'node:crypto'

/** Two thirds into the life of a certificate, when it is time to renew it; Unix milliseconds. */
export const renewalDue = (certificate: X509Certificate): number => {
  const from = Date.parse(certificate.validFrom)
  return from + ((Date.parse(certificate.validTo) - from) * 2) / 3
}
