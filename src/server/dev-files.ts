import { dirname, join } from 'node:path'
import type { BootstrapFiles } from '../authority/bootstrap/files.ts'
import { createFile, readIfThere, replaceFile } from '../authority/private-files.ts'
import { generateKeyPair, privateKeyPem } from '../pki/keys.ts'
import type { Config } from './config.ts'
import { options, variables } from './options.ts'

/** Tables of development mode; the store is its own, so the names need not differ between checkouts. */
export const developmentTables = {
  [variables.principalTable.env]: 'airunner_dev_principals',
  [variables.certTable.env]: 'airunner_dev_certificates',
  [variables.controlTable.env]: 'airunner_dev_control',
}

/** Beside the issuer's key, and made once. */
const auditKeyFile = ({ issuerKey }: BootstrapFiles): string => join(dirname(issuerKey), 'audit-key.pem')

/** Makes the key that signs checkpoints over audit events, where there is none. */
export const makeAuditKey = async (files: BootstrapFiles): Promise<void> => {
  const path = auditKeyFile(files)
  if ((await readIfThere(path)) === undefined) await createFile(path, privateKeyPem(generateKeyPair().privateKey))
}

/** The embedded store asks for a signature and does not look at it. */
const storeCredentials = { AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local' }

/** Variables that would lead the AWS SDK to a real account. */
export const realAccountVariables = ['AWS_PROFILE', 'AWS_DEFAULT_PROFILE', 'AWS_SESSION_TOKEN', 'AWS_ENDPOINT_URL']

/** The environment of every server on this store. */
export const serverEnvironment = (config: Config, files: BootstrapFiles, endpoint: string): Record<string, string> => ({
  ...developmentTables,
  [options.hostname.env]: config.hostname,
  [options.oidArc.env]: config.oidArc,
  [options.storeEpochFile.env]: config.storeEpoch && 'file' in config.storeEpoch ? config.storeEpoch.file : 'none',
  [`${variables.caCert.env}_FILE`]: files.caCert,
  [`${variables.serverCert.env}_FILE`]: files.serverCert,
  [`${variables.serverKey.env}_FILE`]: files.serverKey,
  [`${variables.issuerCert.env}_FILE`]: files.issuerCert,
  [`${variables.issuerKey.env}_FILE`]: files.issuerKey,
  [`${variables.auditKey.env}_FILE`]: auditKeyFile(files),
  AWS_ENDPOINT_URL_DYNAMODB: endpoint,
  ...storeCredentials,
})

/** A value as a shell reads it back. */
const shellQuoted = (value: string): string =>
  /^[\w@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`

const environmentFile = (directory: string): string => join(directory, 'rpc-server.env')

/** Writes `rpc-server.env`: with it a second server on the same store starts from another shell. */
export const writeServerEnvironment = async (
  directory: string,
  environment: Record<string, string>,
): Promise<string> => {
  const path = environmentFile(directory)
  const lines = Object.entries(environment).map(([name, value]) => `${name}=${shellQuoted(value)}\n`)
  await replaceFile(path, lines.join(''))
  return path
}

/** Where the store was last time, so that second servers find it again after a restart. */
export const lastStorePort = async (directory: string): Promise<number | undefined> => {
  const text = await readIfThere(environmentFile(directory))
  const port = /^AWS_ENDPOINT_URL_DYNAMODB=http:\/\/127\.0\.0\.1:(\d{1,5})$/m.exec(text ?? '')?.[1]
  return port === undefined ? undefined : Number(port)
}
