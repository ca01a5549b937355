import { lookup as systemLookup } from 'node:dns'
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net'

/**
 * Addresses that no issuer and no STS has: those of one link, where platforms keep the services that hand out credentials
 * (169.254.169.254, 169.254.170.2, fd00:ec2::254), and of such services elsewhere; of nobody, and of many; and those
 * that lead to them by way of a translator. Private networks are not among them: the keys of a cluster are there.
 */
const forbidden = new BlockList()
const forbiddenIpv4: [string, number][] = [
  ['0.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 3],
  // The platforms' own services of Alibaba Cloud and Azure.
  ['100.100.100.200', 32],
  ['168.63.129.16', 32],
]
for (const [address, bits] of forbiddenIpv4) {
  forbidden.addSubnet(address, bits)
  // By way of a translator, which a machine without IPv4 reaches everybody else by. @see RFC 6052 §2.1
  forbidden.addSubnet(`64:ff9b::${address}`, 96 + bits, 'ipv6')
}
// The platforms' own services of AWS and Google Cloud.
forbidden.addSubnet('fd00:ec2::', 32, 'ipv6')
forbidden.addAddress('fd20:ce::254', 'ipv6')
// IPv4 within IPv6, of old: all of ::/96 but ::1. @see RFC 4291 §2.5.5.1
forbidden.addAddress('::', 'ipv6')
forbidden.addRange('::2', '::ffff:ffff', 'ipv6')
// Translators of one network, and 6to4. @see RFC 8215, RFC 3056
forbidden.addSubnet('64:ff9b:1::', 48, 'ipv6')
forbidden.addSubnet('2002::', 16, 'ipv6')
forbidden.addSubnet('fe80::', 10, 'ipv6')
forbidden.addSubnet('ff00::', 8, 'ipv6')

/** Whether nothing is ever asked at this address; false for a name. IPv4 within IPv6 counts as what it is. */
export const isForbiddenAddress = (text: string): boolean => {
  const [address = ''] = text.split('%')
  return isIP(address) !== 0 && forbidden.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

/** A look-up of names that finds no such address; what is then connected to is what was looked at. */
export const makeGuardedLookup =
  (refusal: () => Error, lookup: typeof systemLookup = systemLookup): LookupFunction =>
  (name, options, done) =>
    lookup(name, { ...options, all: true }, (error, found) => {
      if (error) return done(error, [])
      const good = found.filter(({ address }) => !isForbiddenAddress(address))
      const [first] = good
      if (first === undefined) done(refusal(), [])
      else if (options.all) done(null, good)
      else done(null, first.address, first.family)
    })
