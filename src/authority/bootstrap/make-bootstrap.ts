import { createPublicKey, X509Certificate } from 'node:crypto'
import { type Clock, day } from '../../core/time.ts'
import { createServerCertificate } from '../../pki/ca.ts'
import type { Issuer } from '../../pki/issuer.ts'
import { privateKeyPem } from '../../pki/keys.ts'
import { makeCsr } from '../../pki/request.ts'
import { checkServerChain, readTrustBundle } from '../../pki/trust.ts'
import type { IssuedCertificate } from '../../wire/certificates.ts'
import { makePrivateDirectory, readIfThere, removeIfThere, replaceFile } from '../private-files.ts'
import { type Authorities, findOrMakeAuthorities } from './authorities.ts'
import { type BootstrapFiles, bootstrapFilesIn } from './files.ts'
import { BootstrapProblem, findOrMakeKey, type Outcome } from './keys.ts'
import { bootstrapServerValidity, serverMargin } from './server.ts'
import type { BootstrapStep } from './step.ts'

export interface BootstrapDeps {
  directory: string
  hostname: string
  /** Beside the hostname, in the server's certificate. */
  extra_names?: { dns: string[]; ip: string[] }
  admin_id: string
  clock: Clock
  /** Told after each step. */
  report(step: BootstrapStep): void
  /**
   * Makes or finds the admin in the store, and signs the request with the issuer in `files`. The same request gives the
   * same certificate again, so that a run that was cut off between the answer and the file can be repeated.
   */
  registerAdmin(request: { principal_id: string; csr_pem: string }, files: BootstrapFiles): Promise<IssuedCertificate>
  /** True when the store knows this certificate and lets it in. Absent: what stands in the file is believed. */
  accepts?(certificate: X509Certificate, files: BootstrapFiles): Promise<boolean>
}

/** An admin certificate with less than this left is made anew. Milliseconds. */
const adminMargin = 7 * day

const leafOf = (pem: string | undefined): X509Certificate | undefined => {
  try {
    return pem === undefined ? undefined : new X509Certificate(pem)
  } catch {
    return undefined
  }
}

/**
 * Makes or finds everything that a plane starts from: root and issuers, the server's certificate, the first admin and its
 * certificate. What is there stays; what is about to expire is made anew with the same key. A run that is cut off at any
 * point can be run again to the end: each file is whole or absent, and a key is on disk before anything is signed for it.
 */
export const makeBootstrap = (deps: BootstrapDeps) => async (): Promise<BootstrapFiles> => {
  const { directory, hostname, clock, report } = deps
  const files = bootstrapFilesIn(directory)
  await makePrivateDirectory(directory)

  // 1. Root and issuers. A crash leaves keys without certificates, which the next run certifies.
  const authorities = await findOrMakeAuthorities({ files, hostname, clock })
  report({ number: 1, title: 'root and issuers', outcome: authorities.outcome })

  // 2. The server's certificate. A crash leaves its key.
  report({ number: 2, title: 'server certificate', outcome: await serverCertificate(deps, files, authorities) })

  // 3., 4. The admin. A crash leaves key and request, and the store answers the same request with the same certificate.
  const outcome = await adminCertificate(deps, files, authorities.issuers)
  report({ number: 3, title: `admin principal ${deps.admin_id}`, outcome: outcome === 'made' ? 'made' : 'found' })
  report({ number: 4, title: 'admin certificate, registered', outcome })
  return files
}

const serverCertificate = async (
  { hostname, extra_names, clock }: BootstrapDeps,
  files: BootstrapFiles,
  { serverIssuer, rootPem }: Authorities,
): Promise<Outcome> => {
  const key = await findOrMakeKey(files.serverKey)
  const chainPem = await readIfThere(files.serverCert)
  const leaf = leafOf(chainPem)
  const now = clock()
  if (chainPem !== undefined) {
    if (!leaf?.verify(serverIssuer.certificate.publicKey))
      throw new BootstrapProblem(`${files.serverCert} is not of ${files.serverIssuerCert}: remove it to have one made`)
    const bundle = readTrustBundle(rootPem, now)
    // Judged at the time from which it would be too late. Another hostname is a reason as well.
    const soon = now + serverMargin
    if (checkServerChain({ chainPem, keyPem: privateKeyPem(key), hostname, bundle, now: soon }).length === 0)
      return 'found'
  }
  const made = await createServerCertificate({
    issuer: serverIssuer,
    publicKey: createPublicKey(key),
    hostname,
    ...(extra_names === undefined ? {} : { extra_names }),
    now,
    validity: bootstrapServerValidity,
  })
  await replaceFile(files.serverCert, made.pem + serverIssuer.pem)
  return chainPem === undefined ? 'made' : 'renewed'
}

const adminCertificate = async (deps: BootstrapDeps, files: BootstrapFiles, issuers: Issuer[]): Promise<Outcome> => {
  const requestFile = `${files.adminCert}.request`
  const key = await findOrMakeKey(files.adminKey)
  const before = await readIfThere(files.adminCert)
  const leaf = leafOf(before)
  if (leaf !== undefined) {
    // It was left behind by a run that had come to its end.
    await removeIfThere(requestFile)
    const good =
      leaf.checkPrivateKey(key) &&
      issuers.some(({ certificate }) => leaf.checkIssued(certificate) && leaf.verify(certificate.publicKey)) &&
      leaf.validToDate.getTime() - deps.clock() > adminMargin &&
      (leaf.subjectAltName ?? '').includes(`spiffe://${deps.hostname}/`)
    if (good && (deps.accepts === undefined || (await deps.accepts(leaf, files)))) return 'found'
  }
  let csr = await readIfThere(requestFile)
  if (csr === undefined) {
    csr = makeCsr(key, deps.admin_id)
    await replaceFile(requestFile, csr)
  }
  const issued = await deps.registerAdmin({ principal_id: deps.admin_id, csr_pem: csr }, files)
  await replaceFile(files.adminCert, issued.chain_pem)
  await removeIfThere(requestFile)
  return before === undefined ? 'made' : 'renewed'
}
