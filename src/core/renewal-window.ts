/** Around two thirds of the life that was granted: the earliest start, how far starts are spread, and what each is given. */
const earliest = 0.6
const spread = 0.1
const width = 0.05

/** When the holder of a certificate should renew it. Unix milliseconds. */
export interface RenewalWindow {
  renew_after: number
  renew_before: number
}

/**
 * The window of one certificate, within 60 and 75 % of its life. It is spread by the serial number, whose last octets are
 * random: what was issued together is not renewed together, and every server gives the same answer.
 */
export const renewalWindowOf = (certificate: {
  serial_number: string
  issued_at: number
  expires_at: number
}): RenewalWindow => {
  const life = certificate.expires_at - certificate.issued_at
  const place = Number.parseInt(certificate.serial_number.slice(-8), 16) / 2 ** 32
  const start = earliest + spread * (Number.isFinite(place) ? place : 0)
  return {
    renew_after: Math.floor(certificate.issued_at + life * start),
    renew_before: Math.floor(certificate.issued_at + life * (start + width)),
  }
}
