import { join } from 'node:path'

/** What bootstrap leaves in its directory. */
export const bootstrapFileNames = {
  caCert: 'ca-cert.pem',
  caKey: 'ca-key.pem',
  issuerCert: 'issuer-cert.pem',
  issuerKey: 'issuer-key.pem',
  serverIssuerCert: 'server-issuer-cert.pem',
  serverIssuerKey: 'server-issuer-key.pem',
  serverCert: 'server-cert.pem',
  serverKey: 'server-key.pem',
  adminCert: 'admin-cert.pem',
  adminKey: 'admin-key.pem',
} as const

/** Absolute or relative to the working directory, as the directory was given. */
export type BootstrapFiles = Record<keyof typeof bootstrapFileNames, string>

export const bootstrapFilesIn = (directory: string): BootstrapFiles =>
  Object.fromEntries(
    Object.entries(bootstrapFileNames).map(([key, name]) => [key, join(directory, name)]),
  ) as BootstrapFiles
