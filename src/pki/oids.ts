/** Object identifiers that this plane writes or reads, dotted. */
export const oid = {
  commonName: '2.5.4.3',
  ecPublicKey: '1.2.840.10045.2.1',
  prime256v1: '1.2.840.10045.3.1.7',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  crlNumber: '2.5.29.20',
  crlReason: '2.5.29.21',
  crlDistributionPoints: '2.5.29.31',
  authorityKeyIdentifier: '2.5.29.35',
  extKeyUsage: '2.5.29.37',
  anyExtendedKeyUsage: '2.5.29.37.0',
  authorityInfoAccess: '1.3.6.1.5.5.7.1.1',
  ocsp: '1.3.6.1.5.5.7.48.1',
  caIssuers: '1.3.6.1.5.5.7.48.2',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  ocspSigning: '1.3.6.1.5.5.7.3.9',
  ocspBasic: '1.3.6.1.5.5.7.48.1.1',
  ocspNonce: '1.3.6.1.5.5.7.48.1.2',
  ocspAcceptableResponses: '1.3.6.1.5.5.7.48.1.4',
  ocspNoCheck: '1.3.6.1.5.5.7.48.1.5',
  ocspServiceLocator: '1.3.6.1.5.5.7.48.1.7',
  ocspPreferredAlgorithms: '1.3.6.1.5.5.7.48.1.8',
  sha1: '1.3.14.3.2.26',
  sha256: '2.16.840.1.101.3.4.2.1',
} as const

const arcExpression = /^[0-2](\.(0|[1-9]\d{0,8})){1,30}$/

/** True for a dotted OID whose arcs are at most nine digits, without leading zeros. */
export const isOid = (text: string): boolean => {
  if (!arcExpression.test(text)) return false
  const [first, second] = text.split('.')
  return first === '2' || Number(second) < 40
}

const base128 = (arc: number): number[] => {
  const octets = [arc % 128]
  for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) octets.unshift((rest % 128) | 0x80)
  return octets
}

/** Content octets of an OBJECT IDENTIFIER. @see X.690 §8.19 */
export const oidContent = (dotted: string): Buffer => {
  if (!isOid(dotted)) throw new Error(`not an object identifier: ${dotted.slice(0, 64)}`)
  const arcs = dotted.split('.').map(Number)
  const [first = 0, second = 0, ...others] = arcs
  return Buffer.from([...base128(first * 40 + second), ...others.flatMap(base128)])
}

/** Dotted form of content octets that der.ts has already found canonical. An arc above 2^53 loses digits: nothing of ours matches it. */
export const dottedOid = (content: Uint8Array): string => {
  const arcs: number[] = []
  let arc = 0
  for (const octet of content) {
    arc = arc * 128 + (octet & 0x7f)
    if (octet & 0x80) continue
    if (arcs.length === 0) {
      const first = arc < 80 ? Math.floor(arc / 40) : 2
      arcs.push(first, arc - first * 40)
    } else arcs.push(arc)
    arc = 0
  }
  return arcs.join('.')
}
