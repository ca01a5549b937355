import { constants } from 'node:crypto'
import type { SecureContextOptions, TlsOptions } from 'node:tls'
import { second } from '../core/time.ts'

/** A handshake may take this long from the first byte to the last. Milliseconds. */
export const handshakeTimeout = 5 * second

/** What a listener shows, and whose certificates it asks for; replaced as a whole when secrets change. */
export interface TlsMaterial {
  /** Leaf first, then its issuers, PEM. */
  chain_pem: string
  key_pem: string
  /** Roots and issuers, PEM: what clients are told to choose their certificate by. Never empty. */
  authorities_pem: string[]
}

/** The part of the settings that can be replaced while a listener is open. */
export const secureContextOf = (material: TlsMaterial): SecureContextOptions => {
  // `ca: undefined` and `ca: ''` mean the public root store; an empty list would be safe, and is refused all the same.
  if (material.authorities_pem.length === 0 || material.authorities_pem.some((pem) => pem.trim() === '')) {
    throw new TypeError('a TLS listener needs its own authorities')
  }
  return {
    cert: material.chain_pem,
    key: material.key_pem,
    ca: material.authorities_pem,
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ecdhCurve: 'X25519MLKEM768:X25519:P-256',
    // A resumed session would skip the checks of the first one.
    secureOptions: constants.SSL_OP_NO_TICKET,
  }
}

/** `rejectUnauthorized` is off because our own check decides: `authorized` names at most one fault of many. */
export const tlsOptionsOf = (material: TlsMaterial, requestCert: boolean): TlsOptions => ({
  ...secureContextOf(material),
  // A list would be copied for each connection, into memory that it keeps alive.
  ALPNCallback: ({ protocols }) => (protocols.includes('http/1.1') ? 'http/1.1' : undefined),
  handshakeTimeout,
  requestCert,
  rejectUnauthorized: false,
})
