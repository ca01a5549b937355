import { join } from 'node:path'

/** What a rotation leaves in its directory, beside what bootstrap has left there under the same names without `next-`. */
export const rotationFileNames = {
  caKey: 'next-ca-key.pem',
  caCert: 'next-ca-cert.pem',
  /** Old roots and the new one. */
  bundle: 'next-ca-bundle.pem',
  issuerKey: 'next-issuer-key.pem',
  issuerCert: 'next-issuer-cert.pem',
  serverIssuerKey: 'next-server-issuer-key.pem',
  serverIssuerCert: 'next-server-issuer-cert.pem',
  serverKey: 'next-server-key.pem',
  serverCert: 'next-server-cert.pem',
} as const

export type RotationFiles = Record<keyof typeof rotationFileNames, string>

export const rotationFilesIn = (directory: string): RotationFiles =>
  Object.fromEntries(
    Object.entries(rotationFileNames).map(([key, name]) => [key, join(directory, name)]),
  ) as RotationFiles
