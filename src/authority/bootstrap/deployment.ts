import type { X509Certificate } from 'node:crypto'
import { sha256Hex } from '../../core/bytes.ts'
import { systemClock } from '../../core/time.ts'
import { type Issuer, issuerIdOf } from '../../pki/issuer.ts'
import { spkiOf } from '../../pki/keys.ts'
import type { KmsSigner } from '../../pki/kms-signer.ts'
import { readCertificateChain, readTrustBundle } from '../../pki/trust.ts'
import { mustBePrivate, NoAdminLeft, type SettledAdmin, settleAdmin } from './admin.ts'
import {
  type DeploymentPlace,
  findWaitingKey,
  type OpenDeployment,
  openIssuerKey,
  withDeployment,
} from './open-deployment.ts'
import { makeBootstrapRegister } from './register.ts'
import { settleAuthorities } from './root.ts'
import { activateNewIssuer, readRotation } from './rotation-state.ts'
import { settleServer } from './server.ts'
import { isPlaceholder, type Parameters } from './shelves.ts'
import type { BootstrapStep } from './step.ts'
import { planUpload, upload } from './upload.ts'
import { verifyDeployment } from './verify.ts'

export interface DeploymentBootstrap extends DeploymentPlace {
  output_dir: string
  hostname: string
  admin_id: string
  /** Arc of the two private extensions, dotted. */
  oid_arc: string
  /** Id, ARN or alias of the issuer's key in KMS; false: it shall be in Secrets Manager. */
  kms_issuer_key?: string | false
  /** Where Terraform puts a key for the issuer: a first run that finds one there must be told. */
  issuer_key_alias: string
  /** Roots beside ours that are accepted in `ca-cert`: SHA-256, lower-case hex. */
  accept_roots: readonly string[]
  force_new_ca: boolean
  rotate_server_cert: boolean
  recover_admin: boolean
  onStep(step: BootstrapStep): void
  approveNewCa(current: X509Certificate | undefined, issuerKeyStays: boolean): Promise<void>
  approveRotation(current: X509Certificate): Promise<void>
}

export interface BootstrappedDeployment {
  root_sha256: string
  issuer_id: string
  kms_issuer_key?: string
  server_expires_at: number
  admin: SettledAdmin
}

/**
 * With which key `server-key` must be encrypted, and whether it is: that of the secrets, which nobody but the administrator
 * can change. Nothing is known of it when they are encrypted with the key of Secrets Manager.
 */
const encryptionOf = async ({ parameters, secrets }: Pick<DeploymentBootstrap, 'parameters' | 'secrets'>) => {
  const { kms_key: right } = await secrets.versions('ca-key')
  if (right === undefined) return {}
  const found = await parameters.serverKeyEncryption()
  // An id and the ARN that ends with it are the same key.
  const idOf = (key: string | undefined) => key?.replace(/^arn:.*:key\//, '').replace(/^arn:.*:alias\//, 'alias/')
  return { serverKmsKey: right, ...(idOf(found) === idOf(right) ? {} : { wrongKmsKey: found ?? 'unknown' }) }
}

/** Issuers whose certificates servers let in: the settled one, and those beside it during a rotation. */
const knownIssuers = (issuer: Issuer, { 'issuer-cert': text }: Parameters, replaceable: readonly string[]) => {
  const published = isPlaceholder(text) || replaceable.includes(sha256Hex(text)) ? [] : readCertificateChain(text)
  return new Set([issuer.issuer_id, ...published.map(({ publicKey }) => issuerIdOf(spkiOf(publicKey)))])
}

/**
 * `airunner bootstrap`: what a plane in AWS starts from. The secret `ca-key` and the record in the control table that
 * names its version are the truth; everything else is made from them, or found. A run that is cut off anywhere is
 * brought to its end by the next: each step says what it leaves behind.
 */
export const bootstrapDeployment = async (wish: DeploymentBootstrap): Promise<BootstrappedDeployment> => {
  await mustBePrivate(wish.output_dir)
  return withDeployment(wish, (opened) => steps(wish, opened))
}

const steps = async (
  wish: DeploymentBootstrap,
  { registry, records, parameters, secrets, mine }: OpenDeployment,
): Promise<BootstrappedDeployment> => {
  const { hostname, onStep } = wish
  const clock = systemClock
  const before = await parameters.read()
  let kms: KmsSigner | undefined
  try {
    // 1. Root and issuers, in the secret `ca-key` and on record. A crash leaves keys that the next run finds, or that
    //    nothing names.
    const settled = await settleAuthorities({
      hostname,
      clock,
      records,
      secrets,
      parameters: before,
      ...(wish.kms_issuer_key === undefined ? {} : { kmsIssuerKey: wish.kms_issuer_key }),
      waitingKmsKey: () => findWaitingKey(wish.issuer_key_alias, wish.region),
      acceptRoots: wish.accept_roots,
      openKmsSigner: async (keyId) => {
        kms = await openIssuerKey(keyId, wish.region)
        return kms
      },
      forceNewCa: wish.force_new_ca,
      rotation: () => readRotation(registry),
      approveNewCa: wish.approveNewCa,
    })
    onStep({
      number: 1,
      title: 'root and issuers',
      outcome: settled.outcome,
      ...(settled.detail === undefined ? {} : { detail: settled.detail }),
    })
    const { vault, issuer, serverIssuer } = settled
    const replacing = settled.record.replaceable !== undefined
    const replaceable = settled.record.replaceable ?? []

    // 2. The server's key and certificate, in memory: a crash leaves nothing.
    const encryption = await encryptionOf({ parameters, secrets })
    const server = await settleServer({
      hostname,
      clock,
      parameters: before,
      serverIssuer,
      serverIssuers: settled.serverIssuers,
      bundle: readTrustBundle(settled.rootsPem, clock()),
      replaceable,
      ...encryption,
      rotate: wish.rotate_server_cert,
      approveRotation: wish.approveRotation,
    })
    onStep({
      number: 2,
      title: 'server certificate',
      outcome: server.outcome,
      ...(server.detail === undefined ? {} : { detail: server.detail }),
    })
    // What cannot be uploaded is known before an admin is made.
    const plan = await planUpload({ secrets }, { vault, server, before, replaceable, ...encryption })

    // 3., 4. The admin. A crash leaves key and request in the directory, and the same request gives the same certificate.
    const issuerIds = knownIssuers(issuer, before, replaceable)
    mine()
    const admin = await settleAdmin({
      directory: wish.output_dir,
      adminId: wish.admin_id,
      rootsPem: settled.rootsPem,
      replaceable,
      replacing,
      issuerIds,
      registry,
      clock,
      recover: wish.recover_admin,
      register: makeBootstrapRegister(wish, registry, settled, settled.rootsPem),
    }).catch((error: unknown) => {
      if (error instanceof NoAdminLeft) return error
      throw error
    })
    if (admin instanceof NoAdminLeft) onStep({ number: 4, title: 'admin certificate', outcome: 'missing' })
    else {
      const detail = admin.detail === undefined ? {} : { detail: admin.detail }
      onStep({ number: 3, title: `admin principal ${admin.admin.principal_id}`, outcome: admin.principal })
      onStep({ number: 4, title: 'admin certificate, registered', outcome: admin.certificate, ...detail })
    }

    // 5. Upload. A crash leaves some values old and some new, each whole; the next run writes the rest.
    const written = await upload({ parameters, secrets }, plan)
    onStep({
      number: 5,
      title: 'upload',
      outcome: written.length === 0 ? 'found' : 'made',
      ...(written.length === 0 ? {} : { detail: written.join(', ') }),
    })

    // What signs is written down, and was an issuer of the old CA. A crash leaves that to the next run.
    if (replacing) await activateNewIssuer(registry, issuer, clock())

    // 6. Verification. Only then is the old CA forgotten.
    const { record } = settled
    await verifyDeployment({
      hostname,
      clock,
      record,
      ...(kms === undefined ? {} : { kmsSigner: kms }),
      parameters,
      secrets,
      registry,
      issuerIds,
      ...(admin instanceof NoAdminLeft ? {} : { admin }),
    })
    if (replacing) {
      const { replaceable: _, revision: __, ...done } = record
      await records.replace(record, done)
    }
    onStep({ number: 6, title: 'verification', outcome: 'passed' })
    // Servers have what they need, and that is as far as it goes without being told.
    if (admin instanceof NoAdminLeft) throw admin
    return {
      root_sha256: record.root_sha256,
      issuer_id: issuer.issuer_id,
      ...(record.kms_issuer_key === undefined ? {} : { kms_issuer_key: record.kms_issuer_key }),
      server_expires_at: (readCertificateChain(server.chainPem)[0] as X509Certificate).validToDate.getTime(),
      admin,
    }
  } finally {
    await (kms as KmsSigner | undefined)?.close()
  }
}
