import { BlockList, isIP, isIPv6 } from 'node:net'

/** An address as it is logged and compared: an IPv4 address mapped into IPv6 is the IPv4 address. */
export const plainAddress = (address: string): string =>
  address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address

/** Blocks of addresses, and the text that they came from. */
export interface CidrSet {
  text: string
  has(address: string): boolean
}

/** Reads `10.0.0.0/8,2001:db8::/32`; a bare address is itself alone. Undefined when a part is none of these. */
export const parseCidrs = (text: string): CidrSet | undefined => {
  const blocks = new BlockList()
  for (const part of text.split(',')) {
    const [address = '', prefix, ...rest] = part.trim().split('/')
    const family = isIP(address)
    const bits = family === 4 ? 32 : 128
    if (family === 0 || rest.length > 0 || (prefix !== undefined && !/^\d{1,3}$/.test(prefix))) return undefined
    const length = prefix === undefined ? bits : Number(prefix)
    if (length > bits) return undefined
    blocks.addSubnet(address, length, family === 4 ? 'ipv4' : 'ipv6')
  }
  return {
    text,
    has: (address) => {
      const plain = plainAddress(address)
      return blocks.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4')
    },
  }
}
