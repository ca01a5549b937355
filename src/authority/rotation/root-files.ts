import type { X509Certificate } from 'node:crypto'
import type { Clock } from '../../core/time.ts'
import { createServerCertificate } from '../../pki/ca.ts'
import { issuerOf } from '../../pki/issuer.ts'
import { privateKeyPem, publicKeyOf } from '../../pki/keys.ts'
import { makeLocalSigner } from '../../pki/local-signer.ts'
import { signedBy } from '../../pki/path.ts'
import { certificatePem } from '../../pki/pem.ts'
import { checkServerChain, readCertificateChain, readTrustBundle } from '../../pki/trust.ts'
import { BootstrapProblem, findOrMakeKey, readKey } from '../bootstrap/keys.ts'
import { bootstrapServerValidity, serverMargin } from '../bootstrap/server.ts'
import type { VaultEntryWithKey } from '../bootstrap/vault.ts'
import { createFile, makePrivateDirectory, readIfThere, replaceFile } from '../private-files.ts'
import { type RotationFiles, rotationFilesIn } from './files.ts'
import { certifyIssuer, makeRoot } from './new-authorities.ts'

export interface RootFilesDeps {
  directory: string
  /** As the servers trust them now, PEM. */
  trustedPem: string
  /** Names of the certificate that the server shows. */
  hostname: string
  extra_names: { dns: string[]; ip: string[] }
  clock: Clock
}

export interface PreparedRootFiles {
  certificate: X509Certificate
  bundlePem: string
  files: RotationFiles
  found: boolean
}

const readOne = (path: string, text: string): X509Certificate => {
  try {
    return readCertificateChain(text)[0] as X509Certificate
  } catch (cause) {
    throw new BootstrapProblem(`${path}: ${(cause as Error).message}`, {
      next: 'Restore it, or choose another --output-dir.',
      cause,
    })
  }
}

const entryOf = async (
  [certificateFile, keyFile]: [string, string],
  make: (key: VaultEntryWithKey['key']) => Promise<X509Certificate>,
): Promise<VaultEntryWithKey & { found: boolean }> => {
  const text = await readIfThere(certificateFile)
  if (text !== undefined && (await readKey(keyFile)) === undefined)
    throw new BootstrapProblem(`${keyFile} is missing`, { next: `Restore it, or remove ${certificateFile}.` })
  const key = await findOrMakeKey(keyFile)
  const certificate = text === undefined ? await make(key) : readOne(certificateFile, text)
  if (!certificate.checkPrivateKey(key))
    throw new BootstrapProblem(`${certificateFile} does not belong to ${keyFile}`, {
      next: 'Restore the one of them that is wrong, or choose another --output-dir.',
    })
  if (text === undefined) await createFile(certificateFile, certificatePem(certificate.raw))
  return { certificate, key, found: text !== undefined }
}

/**
 * Makes a second root in files: its key, the bundle with the old roots and it, an issuer of servers below it, and a
 * certificate for the server to show later. Each key is on disk before anything is signed for it; what is there is found.
 */
export const prepareRootInFiles = async (deps: RootFilesDeps): Promise<PreparedRootFiles> => {
  const { directory, trustedPem, hostname, clock } = deps
  const files = rotationFilesIn(directory)
  const now = clock()
  await makePrivateDirectory(directory)
  const root = await entryOf(
    [files.caCert, files.caKey],
    async (key) => (await makeRoot(hostname, now, key)).certificate,
  )
  const issuer = await entryOf([files.serverIssuerCert, files.serverIssuerKey], (key) =>
    certifyIssuer({ root, publicKey: publicKeyOf(key), usage: 'server', hostname, now }),
  )
  if (!signedBy(issuer.certificate, root.certificate))
    throw new BootstrapProblem(`${files.serverIssuerCert} was not signed by ${files.caKey}`, {
      next: 'Restore the one of them that is wrong, or choose another --output-dir.',
    })
  await certifyServer(deps, files, root, issuer)
  const bundlePem = readTrustBundle(trustedPem + certificatePem(root.certificate.raw), now).pem
  await replaceFile(files.bundle, bundlePem)
  return { certificate: root.certificate, bundlePem, files, found: root.found }
}

/** A certificate of the server that is near its end is made anew: a rotation may take weeks. */
const certifyServer = async (
  { hostname, extra_names, clock }: RootFilesDeps,
  files: RotationFiles,
  root: VaultEntryWithKey,
  issuer: VaultEntryWithKey,
): Promise<void> => {
  const key = await findOrMakeKey(files.serverKey)
  const chainPem = await readIfThere(files.serverCert)
  const bundle = readTrustBundle(certificatePem(root.certificate.raw), clock())
  const checked = { keyPem: privateKeyPem(key), hostname, bundle, now: clock() + serverMargin }
  if (chainPem !== undefined && checkServerChain({ ...checked, chainPem }).length === 0) return
  const { pem } = await createServerCertificate({
    issuer: issuerOf(issuer.certificate.raw, makeLocalSigner(issuer.key)),
    publicKey: publicKeyOf(key),
    hostname,
    extra_names,
    now: clock(),
    validity: bootstrapServerValidity,
  })
  await replaceFile(files.serverCert, pem + certificatePem(issuer.certificate.raw))
}
