import { X509Certificate } from 'node:crypto'
import { lstat, stat } from 'node:fs/promises'
import { sha256Hex } from '../../core/bytes.ts'
import { statusOf } from '../../core/certificate.ts'
import { type Clock, day, toRfc3339 } from '../../core/time.ts'
import { makeCsr } from '../../pki/request.ts'
import { readCertificateChain } from '../../pki/trust.ts'
import type { Registry } from '../../store/registry.ts'
import type { IssuedCertificate } from '../../wire/certificates.ts'
import { makePrivateDirectory, readIfThere, removeIfThere, replaceFile } from '../private-files.ts'
import { type BootstrapFiles, bootstrapFilesIn } from './files.ts'
import { BootstrapProblem, findOrMakeKey, type Outcome, readKey } from './keys.ts'

/** An admin certificate in the output directory with less than this left is made anew. Milliseconds. */
const adminMargin = 7 * day

export type AdminFiles = Pick<BootstrapFiles, 'caCert' | 'adminCert' | 'adminKey'>

export interface AdminDeps {
  directory: string
  adminId: string
  /** All roots of this plane. */
  rootsPem: string
  /** Digests of values that a new CA has made worthless. */
  replaceable: readonly string[]
  /** Ids of the issuers whose certificates are let in. */
  issuerIds: ReadonlySet<string>
  registry: Pick<Registry, 'principals' | 'certificates' | 'admins'>
  clock: Clock
  recover: boolean
  /** A new CA is being put in the place of an old one: the admin needs a certificate of it. */
  replacing: boolean
  /** Makes or finds the principal and has the request signed; the same request gives the same certificate for 24 h. */
  register(request: { principal_id: string; csr_pem: string }): Promise<IssuedCertificate>
}

/** Nobody can get in any more: for a person to decide about, and no reason to leave the rest undone. */
export class NoAdminLeft extends BootstrapProblem {
  constructor() {
    super('no admin is left who can get in: all their certificates are expired, revoked, or not of this CA', {
      next: 'Run it again with --recover-admin: it issues a certificate to an admin.',
    })
  }
}

/** An admin who can get in. Times in Unix milliseconds. */
export interface LiveAdmin {
  principal_id: string
  serial_number: string
  expires_at: number
}

export interface SettledAdmin {
  admin: LiveAdmin
  principal: Outcome
  certificate: Outcome
  /** Absent when the files are not in this directory. */
  files?: AdminFiles
  detail?: string
}

const lost = (what: string, why: string, next: string) => new BootstrapProblem(`${what}: ${why}`, { next })

/** A directory of the administrator's own, with the files of this plane or of none. */
export const prepareDirectory = async ({
  directory,
  rootsPem,
  replaceable,
}: Pick<AdminDeps, 'directory' | 'rootsPem' | 'replaceable'>): Promise<AdminFiles> => {
  const { caCert, adminCert, adminKey } = bootstrapFilesIn(directory)
  await makePrivateDirectory(directory)
  const found = await readIfThere(caCert)
  if (found === rootsPem) return { caCert, adminCert, adminKey }
  const roots = readCertificateChain(rootsPem)
  if (found !== undefined && !replaceable.includes(sha256Hex(found)) && !roots.some((each) => holds(found, each)))
    throw lost(caCert, 'it is the root of another plane', 'Choose another --output-dir.')
  // Before the server shows a certificate of a new root, whoever connects to it must trust that root.
  if (found === undefined || !roots.every((each) => holds(found, each))) await replaceFile(caCert, rootsPem)
  return { caCert, adminCert, adminKey }
}

const holds = (pem: string, root: X509Certificate): boolean => {
  try {
    return readCertificateChain(pem).some(({ raw }) => raw.equals(root.raw))
  } catch {
    return false
  }
}

/** Throws unless nobody but its owner can look into the directory, and the key in it. Before anything is made. */
export const mustBePrivate = async (directory: string): Promise<void> => {
  for (const path of [directory, bootstrapFilesIn(directory).adminKey]) {
    const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw lost(path, error.code ?? error.message, 'Choose another --output-dir.')
    })
    if (found === undefined) continue
    if (path === directory && !found.isDirectory())
      throw lost(path, 'it is no directory', 'Choose another --output-dir.')
    if ((await lstat(path)).isSymbolicLink() && path !== directory)
      throw lost(path, 'it is a symbolic link', 'Remove it, or choose another --output-dir.')
    if ((found.mode & 0o077) !== 0)
      throw lost(path, 'others than its owner can read it, and keys belong in it', `Take that away: chmod go= ${path}`)
  }
}

const leafOf = (pem: string | undefined): X509Certificate | undefined => {
  try {
    return pem === undefined ? undefined : new X509Certificate(pem)
  } catch {
    return undefined
  }
}

const serialOf = (certificate: X509Certificate): string => certificate.serialNumber.toLowerCase().padStart(32, '0')

/** The admin of a serial number, if the registry lets it in now. */
const liveBySerial = async (
  { registry, issuerIds, clock }: Pick<AdminDeps, 'registry' | 'issuerIds' | 'clock'>,
  serialNumber: string,
): Promise<(LiveAdmin & { fingerprint: string }) | undefined> => {
  const row = await registry.certificates.get(serialNumber)
  if (row === undefined || statusOf(row, clock()) !== 'active' || !issuerIds.has(row.issuer_id)) return undefined
  const principal = await registry.principals.get(row.principal_id)
  if (principal?.status !== 'active' || principal.type !== 'admin') return undefined
  const { principal_id, serial_number, expires_at, fingerprint } = row
  return { principal_id, serial_number, expires_at, fingerprint }
}

/** An admin that can get in, or undefined: read from the rows, so that one revoked by hand does not count. */
export const findLiveAdmin = async (
  deps: Pick<AdminDeps, 'registry' | 'issuerIds' | 'clock'>,
): Promise<LiveAdmin | undefined> => {
  const { admins } = await deps.registry.admins.get()
  for (const id of Object.keys(admins).sort()) {
    const principal = await deps.registry.principals.get(id)
    for (const [serial, { successor }] of Object.entries(principal?.active_serials ?? {}))
      for (const each of [serial, successor]) {
        const live = each === undefined ? undefined : await liveBySerial(deps, each)
        if (live !== undefined) return live
      }
  }
  return undefined
}

/**
 * Makes or finds the first admin and its certificate; throws NoAdminLeft when there were some and none is left. The key is on disk before anything is signed for it, and so is the
 * request: after a crash it is sent again, and answered with the same certificate.
 */
export const settleAdmin = async (deps: AdminDeps): Promise<SettledAdmin> => {
  const { registry, clock } = deps
  const files = await prepareDirectory(deps)
  const requestFile = `${files.adminCert}.request`
  const before = await readIfThere(files.adminCert)
  const leaf = leafOf(before)
  const key = await readKey(files.adminKey)
  const pending = before === undefined && key !== undefined
  const inDirectory =
    leaf !== undefined && key !== undefined && leaf.checkPrivateKey(key)
      ? await liveBySerial(deps, serialOf(leaf))
      : undefined
  const held = inDirectory?.fingerprint === (leaf && sha256Hex(leaf.raw)) ? inDirectory : undefined
  const adminId = held?.principal_id ?? deps.adminId
  const principalBefore = await registry.principals.get(adminId)

  const register = async (certificate: Outcome, detail?: string): Promise<SettledAdmin> => {
    if (principalBefore !== undefined && principalBefore.status !== 'active')
      throw new BootstrapProblem(`the principal ${adminId} is ${principalBefore.status}`, {
        next: 'Choose another id: --admin-id.',
      })
    const own = key ?? (await findOrMakeKey(files.adminKey))
    const ask = async (csr_pem: string) => {
      await replaceFile(requestFile, csr_pem)
      return deps.register({ principal_id: adminId, csr_pem })
    }
    const waiting = await readIfThere(requestFile)
    let issued = await ask(waiting ?? makeCsr(own, adminId))
    // A request that waited since before a new CA was made is answered with a certificate of the old one.
    if (!deps.issuerIds.has(issued.certificate.issuer_id)) issued = await ask(makeCsr(own, adminId))
    await replaceFile(files.adminCert, issued.chain_pem)
    await removeIfThere(requestFile)
    const { serial_number, expires_at } = issued.certificate
    return {
      admin: { principal_id: adminId, serial_number, expires_at: Date.parse(expires_at) },
      principal: principalBefore === undefined ? 'made' : 'found',
      certificate,
      files,
      ...(detail === undefined ? {} : { detail }),
    }
  }

  const unfinished = (await readIfThere(requestFile)) !== undefined
  if (held !== undefined && deps.recover && !unfinished) throw notLost(held)
  if (held !== undefined && held.expires_at - clock() > adminMargin) {
    // It was left behind by a run that had come to its end.
    await removeIfThere(requestFile)
    const { fingerprint: _, ...admin } = held
    return { admin, principal: 'found', certificate: 'found', files }
  }
  if (held !== undefined) return register('renewed', `the one before ends at ${toRfc3339(held.expires_at)}`)
  if (pending || unfinished) return register('made')

  const live = await findLiveAdmin(deps)
  if (live !== undefined) {
    if (deps.recover) throw notLost(live)
    return {
      admin: live,
      principal: 'found',
      certificate: 'found',
      detail: `of ${live.principal_id}, whose files are not in ${deps.directory}`,
    }
  }
  const first = principalBefore === undefined && (await registry.admins.get()).revision === 0
  if (!first && !deps.recover && !deps.replacing) throw new NoAdminLeft()
  return register(before === undefined ? 'made' : 'renewed')
}

const notLost = ({ principal_id, serial_number, expires_at }: LiveAdmin) =>
  new BootstrapProblem(
    `an admin is left: ${principal_id}, with the certificate ${serial_number} until ${toRfc3339(expires_at)}`,
    {
      next: `Use it: \`airunner certificate generate\`. When its key is lost, set revoked = true on that row of the certificates table, and run this again.`,
    },
  )
