import type { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { sha256Hex } from '../../core/bytes.ts'
import { statusOf } from '../../core/certificate.ts'
import { day, systemClock } from '../../core/time.ts'
import { makeIssueClientCertificate } from '../../pki/certificate.ts'
import { type Issuer, readIssuers } from '../../pki/issuer.ts'
import { spkiOf } from '../../pki/keys.ts'
import type { ClientProfile } from '../../pki/profile.ts'
import { readCertificateChain, readTrustBundle } from '../../pki/trust.ts'
import { openStore, type StoreOptions } from '../../store/client.ts'
import { withRegistry } from '../../store/lone-registry.ts'
import type { Registry } from '../../store/registry.ts'
import { createTables, type Tables } from '../../store/schema.ts'
import { makeCreatePrincipal } from '../create-principal.ts'
import { makeIssue } from '../issue.ts'
import type { ActiveIssuer, IssuingDeps } from '../issuing.ts'
import { makeRegisterAdmin } from '../register-admin.ts'
import type { BootstrapFiles } from './files.ts'
import { BootstrapProblem } from './keys.ts'
import { makeBootstrap } from './make-bootstrap.ts'
import { readRotation } from './rotation-state.ts'
import type { BootstrapStep } from './step.ts'

export interface LocalBootstrap {
  output_dir: string
  hostname: string
  admin_id: string
  tables: Tables
  /** Arc of the two private extensions, dotted. */
  oid_arc: string
  /** Of an emulator, whose tables are made if need be; otherwise the tables must be there. */
  endpoint?: string
  /** Otherwise as the standard AWS variables say. */
  region?: string
  onStep(step: BootstrapStep): void
}

/** Without them the SDK would go and look for a cloud; an emulator does not look at them. */
const emulatorCredentials = { accessKeyId: 'local', secretAccessKey: 'local' }
const emulatorRegion = 'us-east-1'

const storeOptions = ({ tables, endpoint, region }: LocalBootstrap): StoreOptions => {
  if (endpoint === undefined) return { tables, ...(region === undefined ? {} : { region }) }
  const { AWS_ACCESS_KEY_ID: id, AWS_PROFILE: profile, AWS_REGION: usual } = process.env
  return {
    tables,
    endpoint,
    ...(region === undefined && usual ? {} : { region: region ?? emulatorRegion }),
    ...(id || profile ? {} : { credentials: emulatorCredentials }),
  }
}

/** The one that signs by the registry, or, before anything is written down, the first of the files that has its key. */
const signingOf = async (issuers: Issuer[], { authorities }: Registry): Promise<Issuer> => {
  const stored = await authorities.read()
  const found = issuers.find(({ issuer_id, signer }) => {
    if (signer === undefined) return false
    return stored.active === undefined || stored.active.issuer_id === issuer_id
  })
  if (found !== undefined) return found
  throw new BootstrapProblem(`the issuer that signs, ${stored.active?.issuer_id}, has not its key in the files`, {
    next: 'Put its certificate and its key there for this run, or get the certificate from another admin.',
  })
}

/** The issuer of the files, for as long as the first certificate takes. */
const issuingOf = async (files: BootstrapFiles, profile: ClientProfile, registry: Registry): Promise<IssuingDeps> => {
  const [rootPem, certPem, keyPem, serverIssuerPem] = await Promise.all(
    [files.caCert, files.issuerCert, files.issuerKey, files.serverIssuerCert].map((path) => readFile(path, 'utf8')),
  )
  const bundle = readTrustBundle(rootPem as string, systemClock())
  const issuer = await signingOf(readIssuers(certPem as string, keyPem as string), registry)
  const active: ActiveIssuer = { issuer, profile, sign: makeIssueClientCertificate({ issuer, profile }) }
  const authorities = [...bundle.roots, ...readCertificateChain((certPem as string) + (serverIssuerPem as string))]
  const keys = new Set(authorities.map(({ publicKey }) => sha256Hex(spkiOf(publicKey))))
  return {
    activeIssuer: () => active,
    trustBundlePem: () => bundle.pem,
    isAuthorityKey: (spkiSha256) => keys.has(spkiSha256),
    maxValidity: 90 * day,
    clock: systemClock,
  }
}

/** Whether the registry would let this certificate in. */
const acceptsOf =
  (registry: Registry) =>
  async (certificate: X509Certificate): Promise<boolean> => {
    const row = await registry.certificates.get(certificate.serialNumber.toLowerCase().padStart(32, '0'))
    if (row === undefined || row.fingerprint !== sha256Hex(certificate.raw)) return false
    if (statusOf(row, systemClock()) !== 'active') return false
    if ((await readRotation(registry)).removed.has(row.issuer_id)) return false
    return (await registry.principals.get(row.principal_id))?.status === 'active'
  }

/** `airunner bootstrap --local`: what a plane starts from, in a directory and in the tables of a store that is there. */
export const runLocalBootstrap = async (wish: LocalBootstrap): Promise<BootstrapFiles> => {
  const { hostname, tables, endpoint } = wish
  const store = openStore(storeOptions(wish))
  try {
    if (endpoint !== undefined) await createTables(store.documents, tables)
    const profile: ClientProfile = { hostname, oid_arc: wish.oid_arc }
    return await withRegistry(store, systemClock, (registry) =>
      makeBootstrap({
        directory: wish.output_dir,
        hostname,
        ...(hostname === 'localhost' ? { extra_names: { dns: [], ip: ['127.0.0.1'] } } : {}),
        admin_id: wish.admin_id,
        clock: systemClock,
        report: wish.onStep,
        registerAdmin: async (request, files) => {
          const createPrincipal = makeCreatePrincipal({ registry, clock: systemClock })
          const issue = makeIssue({ ...(await issuingOf(files, profile, registry)), registry })
          return makeRegisterAdmin({ registry, createPrincipal, issue })(request)
        },
        accepts: acceptsOf(registry),
      })(),
    )
  } finally {
    store.close()
  }
}
