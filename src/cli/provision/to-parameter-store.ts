import { randomUUID } from 'node:crypto'
import type { IssuedCertificate } from '../../wire/certificates.ts'
import type { Client } from '../client.ts'
import { readCertificates, readPrivateKey } from '../credentials.ts'
import { CliError, exitCode } from '../errors.ts'
import { asksFor, type CertificateWish, endpoint, wishOf } from '../generate.ts'
import { callOf, hadNoEffect } from '../installation.ts'
import { sleep } from '../io.ts'
import { answerLife, type PendingRequest, readRequest } from '../pending.ts'
import type { Session } from '../session.ts'
import { type MachineParameters, openMachineParameters } from './parameters.ts'

export interface ProvisionOptions {
  principalId: string
  /** Without a slash at its end. */
  path: string
  region: string | undefined
  /** The KMS key that encrypts the private key; absent: that of the key which is replaced, else the account's own. */
  kmsKey: string | undefined
  validity?: number
  description?: string
  force: boolean
}

/** A request that may have been answered without our knowing, with its key: what `pending` holds. */
interface Pending {
  keyPem: string
  request: PendingRequest
  kmsKey: string | undefined
  /** An earlier run has sent it, or may have. */
  resumed: boolean
}

/** Times that what was written is read back, and how long between them (milliseconds): a store may show it late. */
const readsBack = 5
const betweenReads = 500

const readPending = (text: string | undefined): Pending | undefined => {
  try {
    const value = JSON.parse(text ?? '') as { key_pem?: unknown; kms_key?: string; request?: unknown }
    const request = readRequest(JSON.stringify(value.request))
    if (request === undefined || typeof value.key_pem !== 'string') return undefined
    return { keyPem: value.key_pem, request, kmsKey: value.kms_key, resumed: true }
  } catch {
    return undefined
  }
}

const conflict = (what: string, why: string, next: string): CliError =>
  new CliError(exitCode.conflict, what, { why, next })

/** The unfinished request to go on with, or a new one, stored with its key before anything is sent. */
const prepare = async (
  session: Session,
  parameters: MachineParameters,
  wish: CertificateWish,
  { principalId, path, kmsKey: wantedKey, force }: ProvisionOptions,
): Promise<Pending> => {
  const found = await parameters.read()
  const left = readPending(found.pending)
  const answerable = left !== undefined && session.io.now() - left.request.created_at < answerLife
  if (answerable && asksFor(left.request, wish)) {
    await session.note('Going on with a request that was left unfinished.')
    return { ...left, kmsKey: wantedKey ?? left.kmsKey }
  }
  if (answerable && !force)
    throw conflict(
      `an unfinished request for other terms lies in ${path}/pending`,
      'An earlier run sent it and never saw the answer, so a certificate may exist for its key.',
      'Finish it by running that command again, or drop it with --force.',
    )
  const pair = found['private-key'] ?? found.certificate
  if (pair !== undefined && !force)
    throw conflict(
      `there is a pair in ${path} already`,
      'A machine may be using it.',
      'Give --force to put another in its place; nothing is revoked by that.',
    )
  if (left !== undefined)
    await session.note(
      `An earlier run may have left a certificate that nobody holds: \`airunner certificate list ${principalId}\` shows it, and revoking it frees its place.`,
    )
  const kmsKey = wantedKey ?? (found['private-key'] === undefined ? undefined : await parameters.encryptionKey())
  const [{ generateKeyPair, privateKeyPem }, { makeCsr }] = await Promise.all([
    import('../../pki/keys.ts'),
    import('../../pki/request.ts'),
  ])
  const { privateKey } = generateKeyPair()
  const body = JSON.stringify({ ...wish, csr_pem: makeCsr(privateKey, principalId) })
  const request = { idempotency_key: randomUUID(), path: endpoint, body, created_at: session.io.now() }
  const keyPem = privateKeyPem(privateKey)
  const text = JSON.stringify({ key_pem: keyPem, request, ...(kmsKey === undefined ? {} : { kms_key: kmsKey }) })
  if (!(await parameters.put('pending', text, { overwrite: found.pending !== undefined, kmsKey })))
    throw conflict(
      `somebody else has just begun with ${path}`,
      `There is a parameter ${path}/pending now that was not there before.`,
      'Run the command again when the other has ended: it goes on with what that has left.',
    )
  return { keyPem, request, kmsKey, resumed: false }
}

const send = async (client: Client, pending: Pending, parameters: MachineParameters): Promise<IssuedCertificate> => {
  try {
    return await client.send<IssuedCertificate>(callOf(pending))
  } catch (error) {
    const harmless = hadNoEffect(error)
    if (harmless && !pending.resumed) await parameters.remove('pending')
    // A refusal says nothing about an earlier try, which may have had its effect: its key is kept.
    else if (!harmless && error instanceof CliError && error.message !== '')
      throw new CliError(error.exitCode, error.message, {
        ...(error.why === undefined ? {} : { why: error.why }),
        next: 'Run the same command again: it goes on with the same key and gets the same certificate.',
        ...(error.problem === undefined ? {} : { problem: error.problem, code: error.code as 'failed' }),
        cause: error,
      })
    throw error
  }
}

/** Writes the pair and reads it back: two that write at once must not leave the key of one with the certificate of the other. */
const store = async (session: Session, parameters: MachineParameters, pending: Pending, issued: IssuedCertificate) => {
  const values = {
    'private-key': pending.keyPem,
    'ca-cert': issued.trust_bundle_pem,
    // Last: while a machine is set up for the first time, who finds it finds all of it.
    certificate: issued.chain_pem,
  }
  const entries = Object.entries(values) as [keyof typeof values, string][]
  for (const [name, value] of entries) await parameters.put(name, value, { overwrite: true, kmsKey: pending.kmsKey })
  for (let reads = 1; ; reads++) {
    const found = await parameters.read()
    if (entries.every(([name, value]) => found[name] === value)) return
    if (reads === readsBack)
      throw conflict(
        'what was written is not what is there',
        'Somebody else writes to the same path.',
        'Run the command again when the other has ended.',
      )
    await sleep(betweenReads, session.io.signal)
  }
}

/**
 * Makes a key, has a certificate issued for it, and puts both into the Parameter Store; nothing of it touches a disk. Killed
 * between any two steps it is finished by the same command:
 *
 * 1. key and request in `pending`              killed: the same request is sent again, with the same answer, for a day
 * 2. the request is answered                   killed: likewise, so no place of the quota is lost to a certificate unheld
 * 3. key, trust bundle, certificate, in place  killed: likewise; a pair that is being replaced does not fit meanwhile
 * 4. all of it read back
 * 5. `pending` deleted                         killed: the same values are written once more
 */
export const generateToParameterStore = async (
  session: Session,
  options: ProvisionOptions,
): Promise<IssuedCertificate> => {
  const client = await session.connect()
  const parameters = openMachineParameters(options.path, options.region)
  try {
    const pending = await prepare(session, parameters, wishOf(options), options)
    const issued = await send(client, pending, parameters)
    const [certificate] = readCertificates(issued.chain_pem, 'the answer')
    if (certificate?.checkPrivateKey(readPrivateKey(pending.keyPem, `${options.path}/pending`)) !== true)
      throw new CliError(exitCode.failed, 'the server answered with a certificate for another key', {
        next: `Delete the parameter ${options.path}/pending, and run the command again.`,
      })
    try {
      await store(session, parameters, pending, issued)
    } catch (error) {
      await session.note(
        `Certificate ${issued.certificate.serial_number} is issued and not stored: the same command goes on with it.`,
      )
      throw error
    }
    await parameters.remove('pending')
    await session.note(`Put private-key, certificate and ca-cert below ${options.path}.`)
    return issued
  } finally {
    parameters.close()
  }
}
