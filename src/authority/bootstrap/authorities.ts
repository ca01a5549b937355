import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import type { Clock } from '../../core/time.ts'
import { createIssuer, createRoot } from '../../pki/ca.ts'
import { type Issuer, readIssuers } from '../../pki/issuer.ts'
import { privateKeyPem } from '../../pki/keys.ts'
import { makeLocalSigner } from '../../pki/local-signer.ts'
import { readTrustBundle, verifyIssuer } from '../../pki/trust.ts'
import { createFile, readIfThere, replaceFile } from '../private-files.ts'
import type { BootstrapFiles } from './files.ts'
import { BootstrapProblem, findOrMakeKey, type Outcome, readKey } from './keys.ts'
import { authorityName, issuerMargin } from './root.ts'

export interface Authorities {
  rootPem: string
  /** Of client certificates, one at least with its key; several while a rotation is under way. */
  issuers: Issuer[]
  /** Of server certificates, with its key. */
  serverIssuer: Issuer
  outcome: Outcome
}

export interface AuthoritiesDeps {
  files: BootstrapFiles
  hostname: string
  clock: Clock
}

interface Root {
  certificate: X509Certificate
  pem: string
  /** Absent where the administrator keeps it elsewhere. */
  key: KeyObject | undefined
  made: boolean
}

const findOrMakeRoot = async ({ files, hostname, clock }: AuthoritiesDeps): Promise<Root> => {
  const found = await readIfThere(files.caCert)
  if (found === undefined) {
    const key = await findOrMakeKey(files.caKey)
    const made = await createRoot({
      signer: makeLocalSigner(key),
      common_name: authorityName('airunner root', hostname),
      now: clock(),
    })
    await createFile(files.caCert, made.pem)
    return { certificate: new X509Certificate(made.der), pem: made.pem, key, made: true }
  }
  const key = await readKey(files.caKey)
  const roots = rootsOf(found, files, clock())
  const certificate = key === undefined ? roots[0] : roots.find((root) => root.checkPrivateKey(key))
  if (certificate === undefined)
    throw new BootstrapProblem(
      `${files.caKey} belongs to no root in ${files.caCert}: restore the one of them that is wrong`,
    )
  return { certificate, pem: found, key, made: false }
}

const rootsOf = (pem: string, files: BootstrapFiles, now: number): X509Certificate[] => {
  try {
    return readTrustBundle(pem, now).roots
  } catch (cause) {
    throw new BootstrapProblem(`${files.caCert}: ${(cause as Error).message}`, { cause })
  }
}

/** The issuers of a rotation, at least one of them with its key; empty when there is but one, or something is wrong. */
const severalIn = (certificates: string, keys: string): Issuer[] => {
  try {
    const issuers = readIssuers(certificates, keys)
    return issuers.some(({ signer }) => signer !== undefined) ? issuers : []
  } catch {
    return []
  }
}

const findOrMakeIssuer = async (
  { files, hostname, clock }: AuthoritiesDeps,
  root: Root,
  usage: 'client' | 'server',
): Promise<{ issuer: Issuer; issuers: Issuer[]; outcome: Outcome }> => {
  const now = clock()
  const [certificateFile, keyFile] =
    usage === 'client' ? [files.issuerCert, files.issuerKey] : [files.serverIssuerCert, files.serverIssuerKey]
  const pem = await readIfThere(certificateFile)
  if (pem !== undefined && (await readIfThere(keyFile)) === undefined)
    throw new BootstrapProblem(`${keyFile} is missing: restore it, or remove ${certificateFile} to make a new issuer`)
  const several = pem === undefined ? [] : severalIn(pem, (await readIfThere(keyFile)) ?? '')
  if (several.length > 1) {
    // A rotation is under way, and it is not ours to say which of them stays.
    for (const { certificate } of several) {
      const problem = verifyIssuer(certificate, readTrustBundle(root.pem, now), now, usage)
      if (problem !== undefined) throw new BootstrapProblem(`${certificateFile}: ${problem}`)
    }
    const issuer = several.find(({ signer }) => signer !== undefined) as Issuer
    return { issuer, issuers: several, outcome: 'found' }
  }
  const key = await findOrMakeKey(keyFile)
  const read = (text: string): Issuer => {
    try {
      const issuer = readIssuers(text, privateKeyPem(key)).find(({ signer }) => signer !== undefined)
      if (issuer !== undefined) return issuer
    } catch (cause) {
      throw new BootstrapProblem(`${certificateFile}: ${(cause as Error).message}`, { cause })
    }
    throw new BootstrapProblem(
      `${certificateFile} does not belong to ${keyFile}: restore the one of them that is wrong`,
    )
  }
  const found = pem === undefined ? undefined : read(pem)
  if (found !== undefined) {
    const bundle = readTrustBundle(root.pem, now)
    const nearEnd = found.not_after - now < issuerMargin && found.not_after < root.certificate.validToDate.getTime()
    if (!nearEnd) {
      const problem = verifyIssuer(found.certificate, bundle, now, usage)
      if (problem !== undefined) throw new BootstrapProblem(`${certificateFile}: ${problem}`)
      return { issuer: found, issuers: [found], outcome: 'found' }
    }
  }
  if (root.key === undefined)
    throw new BootstrapProblem(`${files.caKey} is needed to make ${certificateFile}: put it there for this run`)
  const made = await createIssuer({
    root: { certificate: root.certificate, signer: makeLocalSigner(root.key) },
    publicKey: createPublicKey(key),
    common_name: authorityName(usage === 'client' ? 'airunner issuer' : 'airunner server issuer', hostname),
    usage,
    now,
  })
  await replaceFile(certificateFile, made.pem)
  const issuer = read(made.pem)
  return { issuer, issuers: [issuer], outcome: found === undefined ? 'made' : 'renewed' }
}

/** Makes or finds the root and both issuers. Throws BootstrapProblem rather than replace what does not fit. */
export const findOrMakeAuthorities = async (deps: AuthoritiesDeps): Promise<Authorities> => {
  const root = await findOrMakeRoot(deps)
  const clients = await findOrMakeIssuer(deps, root, 'client')
  const servers = await findOrMakeIssuer(deps, root, 'server')
  const outcomes = [root.made ? 'made' : 'found', clients.outcome, servers.outcome] as const
  return {
    rootPem: root.pem,
    issuers: clients.issuers,
    serverIssuer: servers.issuer,
    outcome: outcomes.find((outcome) => outcome !== 'found') ?? 'found',
  }
}
