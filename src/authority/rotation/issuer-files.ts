import type { X509Certificate } from 'node:crypto'
import type { Clock } from '../../core/time.ts'
import { publicKeyOf } from '../../pki/keys.ts'
import { signedBy } from '../../pki/path.ts'
import { certificatePem } from '../../pki/pem.ts'
import type { Signer } from '../../pki/signer.ts'
import { readCertificateChain, readTrustBundle, TrustProblem, verifyIssuer } from '../../pki/trust.ts'
import type { Authority } from '../../wire/authorities.ts'
import { BootstrapProblem, findOrMakeKey, readKey } from '../bootstrap/keys.ts'
import { rootSha256, type VaultEntryWithKey } from '../bootstrap/vault.ts'
import { idOf } from '../bootstrap/vault-entries.ts'
import { createFile, makePrivateDirectory, readIfThere } from '../private-files.ts'
import { rotationFilesIn } from './files.ts'
import { type KnownAuthorities, mustTrust, refuseSecond, refuseUsed } from './known-authorities.ts'
import { certifyIssuer } from './new-authorities.ts'

export interface IssuerFilesDeps {
  plane: KnownAuthorities
  directory: string
  root: VaultEntryWithKey
  /** In KMS; absent: a new key is made and written to the directory. */
  kms?: Signer & { keyArn: string }
  hostname: string
  clock: Clock
}

export interface PreparedInFiles {
  authority: Authority
  found: boolean
  certificateFile: string
  /** Absent when the key is in KMS. */
  keyFile?: string
}

const readCertificateFile = (path: string, text: string): X509Certificate => {
  try {
    const [certificate, ...others] = readCertificateChain(text)
    if (certificate !== undefined && others.length === 0) return certificate
  } catch (cause) {
    if (!(cause instanceof TrustProblem)) throw cause
    throw new BootstrapProblem(`${path}: ${cause.message}`, { next: 'Restore it, or remove it to begin anew.', cause })
  }
  throw new BootstrapProblem(`${path} must hold one certificate`, { next: 'Restore it, or remove it to begin anew.' })
}

/**
 * Makes a new issuer below a root, in files of the administrator's own, and tells the plane; what a run before has begun in
 * the same directory is brought to its end.
 */
export const prepareIssuerInFiles = async (deps: IssuerFilesDeps): Promise<PreparedInFiles> => {
  const { plane, directory, root, kms, hostname, clock } = deps
  const files = rotationFilesIn(directory)
  const known = await plane.list()
  const text = await readIfThere(files.issuerCert)
  const begun = text === undefined ? undefined : readCertificateFile(files.issuerCert, text)
  const id = begun && idOf({ certificate: begun })
  if (id !== undefined) refuseUsed(known, id, files.issuerCert)
  refuseSecond(known, id)
  mustTrust(
    known,
    rootSha256(root.certificate),
    'Add its certificate to the trust bundle of every server and send SIGHUP: `airunner ca list` shows the roots of the one that answers.',
  )
  await makePrivateDirectory(directory)

  // 1. The key, on disk before anything is signed for it. A crash leaves it, and the next run takes it.
  if (begun !== undefined && kms === undefined && (await readKey(files.issuerKey)) === undefined)
    throw new BootstrapProblem(`${files.issuerKey} is missing`, {
      next: `Restore it, give --kms-issuer-key if it was begun so, or remove ${files.issuerCert} to begin anew.`,
    })
  const publicKey = kms === undefined ? publicKeyOf(await findOrMakeKey(files.issuerKey)) : kms.publicKey
  if (begun !== undefined && !begun.publicKey.equals(publicKey))
    throw new BootstrapProblem(
      `${files.issuerCert} does not belong to ${kms === undefined ? files.issuerKey : kms.keyArn}`,
      { next: 'Restore the one of them that is wrong, or choose another --output-dir.' },
    )
  if (begun !== undefined && !signedBy(begun, root.certificate))
    throw new BootstrapProblem(`${files.issuerCert} was signed by another root`, {
      next: 'Give the key of that root, or choose another --output-dir.',
    })
  refuseKeyInUse(known, publicKey, begun)

  // 2. The certificate, which no later run makes again. A crash leaves an issuer that the next run tells of.
  const now = clock()
  const certificate = begun ?? (await certifyIssuer({ root, publicKey, usage: 'client', hostname, now }))
  const pem = certificatePem(certificate.raw)
  const problem = verifyIssuer(certificate, readTrustBundle(certificatePem(root.certificate.raw), now), now, 'client')
  if (problem !== undefined) throw new BootstrapProblem(`${files.issuerCert}: ${problem}`)
  if (begun === undefined) await createFile(files.issuerCert, pem)

  // 3. Told to the plane.
  const authority = await plane.prepare(pem, kms?.keyArn)
  const keyFile = kms === undefined ? { keyFile: files.issuerKey } : {}
  return { authority, found: begun !== undefined, certificateFile: files.issuerCert, ...keyFile }
}

const refuseKeyInUse = (
  known: readonly Authority[],
  publicKey: X509Certificate['publicKey'],
  begun: X509Certificate | undefined,
): void => {
  if (begun !== undefined) return
  const same = known.find(({ certificate_pem }) =>
    readCertificateChain(certificate_pem).some((each) => each.publicKey.equals(publicKey)),
  )
  if (same !== undefined)
    throw new BootstrapProblem(`that is the key of the ${same.kind} ${same.issuer_id}`, {
      next: 'A new issuer has a key of its own.',
    })
}
