import type { X509Certificate } from 'node:crypto'
import { realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { fileMode, makeDirectory, refuseToOverwrite, writeFileAtomic } from '../client/files.ts'
import { withLock } from '../client/lock.ts'
import type { Certificate, RenewCertificate } from '../wire/certificates.ts'
import type { Whoami } from '../wire/whoami.ts'
import type { Client } from './client.ts'
import { readCertificates } from './credentials.ts'
import { CliError, exitCode } from './errors.ts'
import {
  checkAnswer,
  discardStaged,
  findStaged,
  type IdentityPaths,
  install,
  sendPending,
  stageCertificate,
} from './installation.ts'
import { findPending, type Pending, storePending } from './pending.ts'
import { renewStateDirectory, stateDirectoryOf } from './renew-state.ts'
import { renewalDue } from './renewal.ts'
import type { Session } from './session.ts'
import { relativeTime } from './text.ts'

export interface RenewOptions {
  /** Only when two thirds of its life are over. */
  ifNeeded: boolean
  /** Where the successor goes, instead of in the place of its predecessor. */
  outputDir?: string
  /** Seconds; absent: as long as the certificate had. */
  validity?: number
  force: boolean
}

const endpoint = '/v1/renewals'

/** The successor's first use: from now on it counts, and its predecessor ends with the server's grace. */
const firstUse = async (session: Session, chainPem: string, keyPem: string): Promise<Certificate> => {
  const certificate = readCertificates(chainPem, 'the new certificate')[0] as X509Certificate
  const client = await session.connect({ certificatePem: chainPem, keyPem, certificate })
  return (await client.get<Whoami>('/v1/whoami')).certificate
}

/** Finishes what an earlier run had staged; undefined when there is nothing, or nothing that is still let in. */
const finishStaged = async (session: Session, paths: IdentityPaths): Promise<Certificate | undefined> => {
  const staged = await findStaged(paths)
  if (staged === undefined) return undefined
  try {
    const certificate = await firstUse(session, staged.chainPem, staged.keyPem)
    await install(paths)
    await session.note('Finished a renewal that was left unfinished.')
    return certificate
  } catch (error) {
    const refused = error instanceof CliError && error.exitCode === exitCode.notLetIn && error.problem !== undefined
    // Once its key is in place there is no way back: the old key is gone.
    if (!refused || staged.keyInPlace) throw error
    await discardStaged(paths)
    return undefined
  }
}

const prepare = async (session: Session, client: Client, paths: IdentityPaths, validity?: number): Promise<Pending> => {
  const left = await findPending(paths.key, session.io.now())
  if (left?.request.path === endpoint) return left
  await discardStaged(paths)
  const [{ generateKeyPair, privateKeyPem }, { makeCsr }] = await Promise.all([
    import('../pki/keys.ts'),
    import('../pki/request.ts'),
  ])
  const { privateKey } = generateKeyPair()
  const commonName = /(?:^|\n)CN=([^\n]*)/.exec(client.identity.certificate.subject ?? '')?.[1] ?? 'renewal'
  const body: RenewCertificate = {
    csr_pem: makeCsr(privateKey, commonName),
    ...(validity === undefined ? {} : { validity_seconds: validity }),
  }
  return storePending(paths.key, privateKeyPem(privateKey), endpoint, body, session.io.now())
}

/** The files behind the names: a link stays a link to what is replaced. */
const targetOf = async (client: Client, outputDir: string | undefined): Promise<IdentityPaths> => {
  if (outputDir !== undefined) return { cert: join(outputDir, 'cert.pem'), key: join(outputDir, 'key.pem') }
  const { client_cert, client_key } = client.connection
  const [cert, key] = await Promise.all([realpath(client_cert), realpath(client_key)])
  if (cert === key)
    throw new CliError(exitCode.configuration, `certificate and key are in one file, ${cert}`, {
      next: 'Keep them in two files, or give --output-dir.',
    })
  return { cert, key }
}

/**
 * Renews the connection's own certificate with a new key, uses the successor once, and only then puts it in place.
 * Undefined when there was nothing to do.
 */
export const renew = async (session: Session, options: RenewOptions): Promise<Certificate | undefined> => {
  const client = await session.connect()
  const directory = await stateDirectoryOf(client.connection)
  if (directory !== undefined && options.outputDir === undefined)
    return renewStateDirectory(session, client.connection, directory, options)
  if (options.outputDir !== undefined) await makeDirectory(options.outputDir)
  const paths = await targetOf(client, options.outputDir)
  return withLock(`${paths.key}.lock`, () => renewAt(session, client, paths, options))
}

const renewAt = async (
  session: Session,
  client: Client,
  paths: IdentityPaths,
  options: RenewOptions,
): Promise<Certificate | undefined> => {
  const { outputDir } = options
  // 1. An earlier run may have come as far as a staged certificate.
  const finished = await finishStaged(session, paths)
  if (finished !== undefined) return finished

  // 2. Not yet due: nothing is asked of the server.
  const due = renewalDue(client.identity.certificate)
  const unfinished = (await findPending(paths.key, session.io.now())) !== undefined
  if (options.ifNeeded && session.io.now() < due && !unfinished) {
    await session.note(`Nothing to do: the certificate is renewed ${relativeTime(due, session.io.now())}.`)
    return undefined
  }

  // 3. A new key, on disk with its request before it is sent.
  if (outputDir !== undefined && !unfinished)
    await refuseToOverwrite(outputDir, ['cert.pem', 'key.pem', 'ca.pem'], options.force)
  const pending = await prepare(session, client, paths, options.validity)
  const issued = await sendPending(client, pending, paths.key)
  checkAnswer(issued, pending.keyPem, paths.key)
  if (outputDir !== undefined) await writeFileAtomic(join(outputDir, 'ca.pem'), issued.trust_bundle_pem, fileMode.open)
  await stageCertificate(paths, issued.chain_pem)
  // 4. Proven by use: a certificate that is not let in never replaces one that is.
  const certificate = await firstUse(session, issued.chain_pem, pending.keyPem)
  // 5. In place.
  await install(paths)
  await session.note(
    outputDir === undefined
      ? `Renewed: ${paths.cert} and ${paths.key} are replaced.`
      : `Wrote key.pem, cert.pem and ca.pem to ${outputDir}. The old certificate ends soon: use these from now on.`,
  )
  return certificate
}
