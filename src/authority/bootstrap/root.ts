import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { sha256Hex } from '../../core/bytes.ts'
import { type Clock, day } from '../../core/time.ts'
import { createIssuer, createRoot } from '../../pki/ca.ts'
import { type Issuer, issuerOf } from '../../pki/issuer.ts'
import { generateKeyPair } from '../../pki/keys.ts'
import { makeLocalSigner } from '../../pki/local-signer.ts'
import { certificatePem } from '../../pki/pem.ts'
import type { Signer } from '../../pki/signer.ts'
import { readCertificateChain, readTrustBundle, verifyIssuer } from '../../pki/trust.ts'
import type { BootstrapRecord, BootstrapRecords } from '../../store/bootstrap-record.ts'
import { acceptedRoots } from './accepted-roots.ts'
import { BootstrapProblem, type Outcome } from './keys.ts'
import { isPlaceholder, type Parameters, type SecretShelf, type SecretVersions } from './shelves.ts'
import { type FoundVault, readVault, rootSha256, type Vault, type VaultEntry } from './vault.ts'
import { arrangeVault, idOf, type RotationState, rootsIn, rootsPem, serverIssuersIn } from './vault-entries.ts'
import { commitVault } from './vault-record.ts'

/** An issuer with less than this left is certified again, with the same key. Milliseconds. */
export const issuerMargin = 100 * day

/** An authority's name fits 64 characters, whatever the hostname. */
export const authorityName = (role: string, hostname: string): string => `${role} ${hostname}`.slice(0, 64).trim()

export interface RootDeps {
  hostname: string
  clock: Clock
  records: BootstrapRecords
  secrets: SecretShelf
  /** As they stand now. */
  parameters: Parameters
  /** Key of the issuer in KMS, when it was given for this run; false: it shall be in Secrets Manager. */
  kmsIssuerKey?: string | false
  /** The key in KMS that waits for an issuer, if there is one. */
  waitingKmsKey(): Promise<string | undefined>
  /** Roots in `ca-cert` that are accepted beside ours: SHA-256, lower-case hex. */
  acceptRoots: readonly string[]
  openKmsSigner(keyId: string): Promise<Signer & { keyArn: string }>
  forceNewCa: boolean
  /** How a rotation stands, if there ever was one. */
  rotation(): Promise<RotationState>
  /** Says what a new CA would end, and asks; rejects when it is not wanted. */
  approveNewCa(current: X509Certificate | undefined, issuerKeyStays: boolean): Promise<void>
}

/** What is settled for good once this step is through. */
export interface SettledAuthorities {
  record: BootstrapRecord
  vault: Vault
  /** With their signers. */
  issuer: Issuer
  serverIssuer: Issuer
  /** Everything that the certificate of the server may be of: during a rotation there are two. */
  serverIssuers: Issuer[]
  /** All roots in the vault, the settled one first. */
  rootsPem: string
  outcome: Outcome
  detail?: string
}

/** What stands in `ca-key` and is no vault: only a new CA gets past it. */
const unreadable = Symbol('unreadable')

/** The vault that the record names, or, before there is a record, the one that is current. */
const findVault = async (
  { secrets, forceNewCa }: RootDeps,
  record: BootstrapRecord | undefined,
  { current }: SecretVersions,
): Promise<FoundVault | typeof unreadable | undefined> => {
  const look = async (version: string | undefined) => {
    const text = version === undefined ? undefined : await secrets.read('ca-key', version)
    if (text === undefined || isPlaceholder(text)) return undefined
    try {
      return readVault(text)
    } catch (error) {
      if (forceNewCa && error instanceof BootstrapProblem) return unreadable
      throw error
    }
  }
  if (record === undefined) return look(current)
  for (const version of new Set([record.vault_version, current])) {
    const vault = await look(version)
    if (vault === unreadable) continue
    if (vault?.root !== undefined && rootSha256(vault.root.certificate) === record.root_sha256) return vault
  }
  if (forceNewCa) return unreadable
  throw new BootstrapProblem('the secret ca-key no longer holds the root that this deployment was made with', {
    next: `Put back its version ${record.vault_version.slice(0, 12)}… (\`aws secretsmanager list-secret-version-ids --include-deprecated\`), or begin anew with --force-new-ca.`,
  })
}

const certificatesOf = (text: string): X509Certificate[] => (isPlaceholder(text) ? [] : readCertificateChain(text))

/** The root's certificate: of the vault, of the Parameter Store for a key that was put in the vault alone, or a new one. */
const completeRoot = async ({ hostname, clock, parameters }: RootDeps, found: FoundVault | undefined) => {
  if (found?.root !== undefined) return found.root
  const published = certificatesOf(parameters['ca-cert'])
  const key = found?.rootKey
  const own = key && published.find((each) => each.checkPrivateKey(key))
  if (key !== undefined && own !== undefined) return { certificate: own, key }
  if (published.length > 0)
    throw new BootstrapProblem('the parameter ca-cert holds a root whose key is not in the secret ca-key', {
      next: 'Put its key there: `aws secretsmanager put-secret-value --secret-id …/ca-key --secret-string file://ca-key.pem`. Or begin anew with --force-new-ca.',
    })
  return newRoot(hostname, clock(), key ?? generateKeyPair().privateKey)
}

const newRoot = async (hostname: string, now: number, key: KeyObject) => {
  const order = { signer: makeLocalSigner(key), common_name: authorityName('airunner root', hostname), now }
  return { certificate: new X509Certificate((await createRoot(order)).der), key }
}

/** The name of an authority that bootstrap or a rotation has made. */
const commonNameOf = ({ subject }: X509Certificate): string | undefined => /^CN=([^\n]{1,64})$/.exec(subject)?.[1]

/** An issuer as it is, or certified anew with the same key when it is near its end. */
const completeIssuer = async <E extends VaultEntry>(
  { hostname, clock }: RootDeps,
  root: Vault['root'],
  usage: 'client' | 'server',
  found: E | undefined,
  key: { publicKey: KeyObject; rest: Omit<E, 'certificate'> },
): Promise<E> => {
  const now = clock()
  if (found !== undefined) {
    const ends = found.certificate.validToDate.getTime()
    if (ends - now >= issuerMargin || ends >= root.certificate.validToDate.getTime()) {
      const bundle = readTrustBundle(certificatePem(root.certificate.raw), now)
      const problem = verifyIssuer(found.certificate, bundle, now, usage)
      if (problem !== undefined) throw new BootstrapProblem(`the secret ca-key: ${problem}`)
      return found
    }
  }
  const made = await createIssuer({
    root: { certificate: root.certificate, signer: makeLocalSigner(root.key) },
    publicKey: key.publicKey,
    // A name of its own, which stands in what it has signed, stays.
    common_name:
      (found && commonNameOf(found.certificate)) ??
      authorityName(usage === 'client' ? 'airunner issuer' : 'airunner server issuer', hostname),
    usage,
    now,
  })
  return { certificate: new X509Certificate(made.der), ...key.rest } as E
}

/** The key of the issuer of clients: in KMS, or in the vault, and never moved from one to the other. */
const issuerKeyOf = (
  found: VaultEntry | undefined,
  kms: (Signer & { keyArn: string }) | undefined,
): { signer: Signer; rest: { key?: KeyObject } } => {
  if (kms !== undefined) {
    if (found?.key !== undefined)
      throw new BootstrapProblem(
        'the issuer of this deployment has its key in Secrets Manager, and --kms-issuer-key names another',
        {
          next: 'Leave the flag out. Another issuer is a new beginning: --force-new-ca.',
        },
      )
    if (found !== undefined && !found.certificate.publicKey.equals(kms.publicKey))
      throw new BootstrapProblem(`the issuer of this deployment has another key than ${kms.keyArn}`, {
        next: 'Name the key that it was made with. Another issuer is a new beginning: --force-new-ca.',
      })
    return { signer: kms, rest: {} }
  }
  if (found !== undefined && found.key === undefined)
    throw new BootstrapProblem('the key of the issuer is neither in the secret ca-key nor named', {
      next: 'Give --kms-issuer-key with the KMS key that it was made with.',
    })
  const key = found?.key ?? generateKeyPair().privateKey
  return { signer: makeLocalSigner(key), rest: { key } }
}

/** Digests of what a new CA makes worthless: only these values may be overwritten by it. */
const replaceableOf = async ({ parameters, secrets }: RootDeps): Promise<string[]> => {
  const { current } = await secrets.versions('issuer-key')
  const texts = [parameters['ca-cert'], parameters['issuer-cert'], parameters['server-cert']]
  return [...texts.filter((text) => !isPlaceholder(text)).map(sha256Hex), ...(current === undefined ? [] : [current])]
}

/** Makes or finds the root and both issuers of a deployment, in the secret `ca-key`, and puts on record which they are. */
export const settleAuthorities = async (deps: RootDeps): Promise<SettledAuthorities> => {
  const { records, secrets } = deps
  const record = await records.get()
  const versions = await secrets.versions('ca-key')
  const vaultBefore = await findVault(deps, record, versions)
  const rotation = await deps.rotation()
  const stored = vaultBefore === unreadable ? undefined : vaultBefore
  // From the moment on at which another issuer signs, it is the settled one, and so are its root and issuer of servers.
  const before: FoundVault | undefined = isWhole(stored) ? withRootKey(arrangeVault(stored, rotation)) : stored

  // A replacement that was cut off is brought to its end, not begun again, unless its own keys are lost.
  const unfinished = record?.replaceable !== undefined && before !== undefined
  const anew =
    deps.forceNewCa && !unfinished && (vaultBefore !== undefined || !isPlaceholder(deps.parameters['ca-cert']))
  const onRecord =
    before?.issuer === undefined || before.issuer.key === undefined
      ? ((before?.issuer && rotation.kmsKeys.get(idOf(before.issuer))) ?? record?.kms_issuer_key)
      : undefined
  const kmsKey = deps.kmsIssuerKey === false ? undefined : (deps.kmsIssuerKey ?? onRecord)
  if (deps.kmsIssuerKey === undefined && record === undefined && before?.issuer === undefined) {
    // Where it lies is settled for good by the first run.
    const waiting = await deps.waitingKmsKey()
    if (waiting !== undefined)
      throw new BootstrapProblem(`a KMS key waits for the issuer of this deployment, and was not named: ${waiting}`, {
        next: `Give --kms-issuer-key ${waiting}, or --kms-issuer-key none to have the issuer's key in Secrets Manager.`,
      })
  }
  const kms = kmsKey === undefined ? undefined : await deps.openKmsSigner(kmsKey)
  if (anew) {
    const stays = kms !== undefined && before?.issuer?.certificate.publicKey.equals(kms.publicKey) === true
    await deps.approveNewCa(before?.root?.certificate, stays)
  }
  const found = anew ? undefined : before
  const { signer, rest } = issuerKeyOf(found?.issuer, kms)
  const root = anew
    ? await newRoot(deps.hostname, deps.clock(), generateKeyPair().privateKey)
    : await completeRoot(deps, found)
  const serverKey = found?.serverIssuer?.key ?? generateKeyPair().privateKey
  const vault: Vault = {
    root,
    issuer: await completeIssuer(deps, root, 'client', found?.issuer, { publicKey: signer.publicKey, rest }),
    serverIssuer: await completeIssuer(deps, root, 'server', found?.serverIssuer, {
      publicKey: createPublicKey(serverKey),
      rest: { key: serverKey },
    }),
    ...(found?.others === undefined ? {} : { others: found.others }),
  }
  const roots = rootsIn(vault).map(({ certificate }) => rootSha256(certificate))
  const recorded = record?.accepted_roots ?? []
  const replaceable = anew ? await replaceableOf(deps) : record?.replaceable
  const accepted = acceptedRoots({
    published: deps.parameters['ca-cert'],
    own: root.certificate,
    // Those in the vault are the administrator's own.
    recorded: anew ? [] : [...new Set([...recorded, ...roots])].filter((each) => each !== rootSha256(root.certificate)),
    given: deps.acceptRoots,
    replaceable: replaceable ?? [],
  })

  const settled = await commitVault({ records, secrets }, record, vault, {
    ...(kms === undefined ? {} : { kms_issuer_key: kms.keyArn }),
    ...(accepted.length === 0 ? {} : { accepted_roots: accepted }),
    ...(replaceable === undefined ? {} : { replaceable }),
  })

  const outcome = anew ? 'replaced' : before?.root === undefined ? 'made' : settled === record ? 'found' : 'renewed'
  return {
    record: settled,
    vault,
    issuer: issuerOf(vault.issuer.certificate.raw, signer),
    serverIssuer: issuerOf(vault.serverIssuer.certificate.raw, makeLocalSigner(serverKey)),
    serverIssuers: serverIssuersIn(vault).map(({ certificate, key }) =>
      issuerOf(certificate.raw, makeLocalSigner(key)),
    ),
    rootsPem: rootsPem(vault),
    outcome,
    ...(accepted.every((each) => recorded.includes(each) || roots.includes(each) || each === record?.root_sha256)
      ? {}
      : { detail: `accepted beside it: ${accepted.map((each) => `sha256:${each}`).join(', ')}` }),
  }
}

const withRootKey = (vault: Vault): FoundVault => ({ ...vault, rootKey: vault.root.key })
const isWhole = (found: FoundVault | undefined): found is FoundVault & Vault =>
  found?.root !== undefined && found.issuer !== undefined && found.serverIssuer !== undefined
