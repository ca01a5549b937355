import type { KeyObject, X509Certificate } from 'node:crypto'
import { sha256Hex } from '../../core/bytes.ts'
import { type Clock, day, toRfc3339 } from '../../core/time.ts'
import { createServerCertificate } from '../../pki/ca.ts'
import type { Issuer } from '../../pki/issuer.ts'
import { generateKeyPair, privateKeyPem, publicKeyOf, readPrivateKeys } from '../../pki/keys.ts'
import { signedBy } from '../../pki/path.ts'
import { checkServerChain, readCertificateChain, type TrustBundle } from '../../pki/trust.ts'
import { BootstrapProblem, type Outcome } from './keys.ts'
import { isPlaceholder, type Parameters } from './shelves.ts'

/** Milliseconds; the one of a server whose certificate bootstrap keeps up to date. */
export const bootstrapServerValidity = 90 * day
/** A server certificate with less than this left is made anew: more than a month, which runs may be apart. Milliseconds. */
export const serverMargin = 45 * day

export interface ServerDeps {
  hostname: string
  clock: Clock
  parameters: Parameters
  /** What a new certificate is signed by. */
  serverIssuer: Issuer
  /** What the present one may be signed by: during the rotation of a root there are two. */
  serverIssuers?: Issuer[]
  /** What servers and agents trust. */
  bundle: TrustBundle
  /** Digests of values that a new CA has made worthless. */
  replaceable: readonly string[]
  /** Key in KMS with which `server-key` is encrypted, when it is not the one it should be. */
  wrongKmsKey?: string
  rotate: boolean
  /** Says which certificate a rotation would replace, and asks; rejects when that is not wanted. */
  approveRotation(current: X509Certificate): Promise<void>
}

export interface SettledServer {
  keyPem: string
  chainPem: string
  outcome: Outcome
  /** Why it was made anew. */
  detail?: string
}

const leafOf = (text: string): X509Certificate | undefined => {
  try {
    return isPlaceholder(text) ? undefined : readCertificateChain(text)[0]
  } catch {
    return undefined
  }
}

const keyOf = (text: string): KeyObject | undefined => {
  try {
    const [key, ...others] = isPlaceholder(text) ? [] : readPrivateKeys(text)
    return key !== undefined && others.length === 0 ? key : undefined
  } catch {
    return undefined
  }
}

const certify = async ({ hostname, clock, serverIssuer }: ServerDeps, key: KeyObject): Promise<string> => {
  const order = { issuer: serverIssuer, publicKey: publicKeyOf(key), hostname, now: clock() }
  const made = await createServerCertificate({ ...order, validity: bootstrapServerValidity })
  return made.pem + serverIssuer.pem
}

/**
 * The server's key and chain: those in the Parameter Store, or new ones, in memory until they are uploaded. The key is
 * uploaded first: one whose certificate is missing, or of the key before it, is what a run leaves that was cut off there,
 * or what somebody put there who wants a certificate for it. So a key that was found is never certified: both are made anew.
 */
export const settleServer = async (deps: ServerDeps): Promise<SettledServer> => {
  const { hostname, clock, parameters, serverIssuer, bundle, replaceable, rotate } = deps
  const [chainPem, keyPem] = [parameters['server-cert'], parameters['server-key']]
  const [leaf, key] = [leafOf(chainPem), keyOf(keyPem)]
  const renew = async (outcome: Outcome, detail?: string): Promise<SettledServer> => {
    const fresh = generateKeyPair().privateKey
    const made = { keyPem: privateKeyPem(fresh), chainPem: await certify(deps, fresh), outcome }
    return detail === undefined ? made : { ...made, detail }
  }
  if (rotate && leaf !== undefined) {
    await deps.approveRotation(leaf)
    return renew('replaced')
  }
  if (!isPlaceholder(chainPem) && replaceable.includes(sha256Hex(chainPem))) return renew('replaced', 'of the new CA')
  if (!isPlaceholder(keyPem) && key === undefined) throw unfit('server-key holds no private key that can be read')
  if (!isPlaceholder(chainPem) && leaf === undefined) throw unfit('server-cert holds no certificate that can be read')
  const { serverIssuers = [serverIssuer] } = deps
  if (leaf !== undefined && !serverIssuers.some(({ certificate }) => signedBy(leaf, certificate)))
    throw unfit('server-cert is of another authority than the one in the secret ca-key')
  // Whoever chose that key may have read what was encrypted with it.
  if (!isPlaceholder(keyPem) && deps.wrongKmsKey !== undefined)
    return renew('renewed', `server-key was encrypted with another KMS key: ${deps.wrongKmsKey}`)
  if (leaf === undefined)
    return key === undefined ? renew('made') : renew('made', 'the key that was there had no certificate')
  if (key === undefined || !leaf.checkPrivateKey(key))
    return renew('renewed', 'the one before did not belong to the key that was there')
  const problems = (now: number) => checkServerChain({ chainPem, keyPem, hostname, bundle, now })
  const expires = leaf.validToDate.getTime()
  // Judged for its name and chain now; its end, and that of its issuer, may be near.
  const now = problems(clock()).filter((problem) => !problem.includes('expired'))
  if (now.length > 0) throw unfit(`server-cert: ${now.join('; ')}`)
  if (problems(clock() + serverMargin).length === 0) return { keyPem, chainPem, outcome: 'found' }
  return renew('renewed', `the one before ends at ${toRfc3339(expires)}`)
}

const unfit = (why: string) =>
  new BootstrapProblem(`the parameter ${why}`, {
    next: '--rotate-server-cert puts a new key and certificate in its place.',
  })
