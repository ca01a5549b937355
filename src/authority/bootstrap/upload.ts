import type { X509Certificate } from 'node:crypto'
import { sha256Hex } from '../../core/bytes.ts'
import { certificatePem } from '../../pki/pem.ts'
import { readCertificateChain } from '../../pki/trust.ts'
import { BootstrapProblem } from './keys.ts'
import { isPlaceholder, type ParameterName, type ParameterShelf, type Parameters, type SecretShelf } from './shelves.ts'
import type { Vault } from './vault.ts'
import { issuerKeysFor, issuerKeyVersions } from './vault-entries.ts'

export interface UploadDeps {
  parameters: ParameterShelf
  secrets: SecretShelf
}

export interface Upload {
  vault: Vault
  server: { keyPem: string; chainPem: string }
  /** As the parameters stood before. */
  before: Parameters
  replaceable: readonly string[]
  /** Key in KMS with which `server-key` is to be encrypted; absent: as it is. */
  serverKmsKey?: string
}

const chainOf = (name: ParameterName, text: string): X509Certificate[] => {
  try {
    return isPlaceholder(text) ? [] : readCertificateChain(text)
  } catch (cause) {
    throw foreign(name, (cause as Error).message)
  }
}

const foreign = (name: string, why: string) =>
  new BootstrapProblem(`${name} holds something that bootstrap did not put there: ${why}`, {
    next: 'Put back what was there, or `placeholder` to have it made. --force-new-ca replaces the whole CA.',
  })

/**
 * What a parameter of certificates must hold so that `ours` is in it. Others beside it stay: roots and issuers of a
 * rotation. An older certificate of the same key gives way to ours; anything else is never replaced.
 */
const withOurs = (name: 'ca-cert' | 'issuer-cert', { before, replaceable }: Upload, ours: X509Certificate): string => {
  const text = before[name]
  const pem = certificatePem(ours.raw)
  if (!isPlaceholder(text) && replaceable.includes(sha256Hex(text))) return pem
  const there = chainOf(name, text)
  if (there.length === 0) return pem
  if (there.some(({ raw }) => raw.equals(ours.raw))) return text
  const older = there.findIndex(({ publicKey }) => publicKey.equals(ours.publicKey))
  if (older === -1) throw foreign(`the parameter ${name}`, `no certificate of the key in the secret ca-key`)
  return there.map(({ raw }, index) => (index === older ? pem : certificatePem(raw))).join('')
}

/** What has to be written, in its order; empty when everything is there. Throws BootstrapProblem before anything is. */
export const planUpload = async (
  { secrets }: Pick<UploadDeps, 'secrets'>,
  upload: Upload,
): Promise<{
  issuerKey: { version: string; pem: string; from: string | undefined; known: boolean } | undefined
  parameters: [ParameterName, string][]
  serverKmsKey?: string
}> => {
  const { vault, server, before, replaceable } = upload
  const issuerCert = withOurs('issuer-cert', upload, vault.issuer.certificate)
  const keys = issuerKeysFor(
    vault,
    readCertificateChain(issuerCert).map(({ publicKey }) => publicKey),
  )
  const { ids, current } = await secrets.versions('issuer-key')
  // Before an issuer is published nobody uses what may be there: an empty version, with some makers of secrets.
  const inUse = current !== undefined && !isPlaceholder(before['issuer-cert']) && !replaceable.includes(current)
  if (keys !== undefined && inUse && current !== keys.version && !issuerKeyVersions(vault).has(current))
    throw foreign('the secret issuer-key', 'its current version is not the key of the issuer in the secret ca-key')
  // The key before its certificate: a server that reads in between refuses a pair that does not match and keeps its old
  // one, and the run after one that is cut off there makes both anew.
  const wanted: [ParameterName, string][] = [
    ['ca-cert', withOurs('ca-cert', upload, vault.root.certificate)],
    ['issuer-cert', issuerCert],
    ['server-key', server.keyPem],
    ['server-cert', server.chainPem],
  ]
  return {
    issuerKey:
      keys === undefined || current === keys.version
        ? undefined
        : { ...keys, from: current, known: ids.includes(keys.version) },
    parameters: wanted.filter(([name, text]) => before[name] !== text),
    ...(upload.serverKmsKey === undefined ? {} : { serverKmsKey: upload.serverKmsKey }),
  }
}

/** Puts the planned values where servers read them; returns their names. */
export const upload = async (
  { parameters, secrets }: UploadDeps,
  plan: Awaited<ReturnType<typeof planUpload>>,
): Promise<string[]> => {
  if (plan.issuerKey !== undefined) {
    const { version, pem, from, known } = plan.issuerKey
    if (!known) await secrets.stage('issuer-key', version, pem)
    const { current = from } = await secrets.versions('issuer-key')
    if (current !== version) await secrets.promote('issuer-key', version, current)
  }
  const encrypted = plan.serverKmsKey === undefined ? {} : { kmsKey: plan.serverKmsKey }
  for (const [name, text] of plan.parameters) await parameters.write(name, text, name === 'server-key' ? encrypted : {})
  return [...(plan.issuerKey === undefined ? [] : ['issuer-key']), ...plan.parameters.map(([name]) => name)]
}
