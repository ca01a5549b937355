import type { X509Certificate } from 'node:crypto'
import { exists, fileMode, moveFile, readTextIfThere, removeFile, writeFileAtomic } from '../client/files.ts'
import { TransportError } from '../client/transport.ts'
import type { IssuedCertificate } from '../wire/certificates.ts'
import type { Call, Client } from './client.ts'
import { readCertificates, readPrivateKey } from './credentials.ts'
import { CliError, exitCode } from './errors.ts'
import { dropPending, nextName, type Pending, requestName } from './pending.ts'

/**
 * How a new certificate and its key come to lie on disk, so that a crash at any point leaves a pair that fits:
 *
 * 1. key and request under their next names        crash: the same request is sent again, with the same answer
 * 2. the request is answered
 * 3. certificate under its next name               crash: the request is still there, see 1
 * 4. key gets its name                             crash: the key fits the certificate that waits, readers take that one
 * 5. certificate gets its name
 * 6. the request is forgotten
 */
export interface IdentityPaths {
  cert: string
  key: string
}

/** The call of a pending request: byte for byte the same, whenever it is sent. */
export const callOf = ({ request }: Pick<Pending, 'request'>): Call => ({
  method: 'POST',
  path: request.path,
  body: request.body,
  headers: { 'idempotency-key': request.idempotency_key },
})

/** True when the request had no effect, for sure: refused by the server, or never sent. */
export const hadNoEffect = (error: unknown): boolean => {
  if (!(error instanceof CliError)) return false
  if (error.problem !== undefined) return error.problem.status < 500 && error.problem.status !== 408
  return error.cause instanceof TransportError && !error.cause.sent
}

/**
 * True when a request that was sent before is refused for what it is. A refusal of who asks, or of the moment, says nothing of
 * what the first sending had done: its certificate may be there, and no other key fits it.
 */
const isRefusedForGood = (error: unknown): boolean =>
  hadNoEffect(error) &&
  error instanceof CliError &&
  error.problem !== undefined &&
  ![401, 403, 429].includes(error.problem.status)

/**
 * Step 2: sends a pending request. When it surely had no effect, now and before, its key is dropped; when that is not known
 * both are kept, and the error says that running the command again goes on.
 */
export const sendPending = async (client: Client, pending: Pending, keyPath: string): Promise<IssuedCertificate> => {
  try {
    return await client.send<IssuedCertificate>(callOf(pending))
  } catch (error) {
    if (pending.resumed ? isRefusedForGood(error) : hadNoEffect(error)) {
      await dropPending(keyPath)
      throw error
    }
    if (!(error instanceof CliError) || error.message === '') throw error
    throw new CliError(error.exitCode, error.message, {
      ...(error.why === undefined ? {} : { why: error.why }),
      next: [
        ...(error.problem === undefined || error.next === undefined ? [] : [error.next]),
        `Run the same command again: it goes on with the key in ${nextName(keyPath)} and gets the same certificate.`,
      ].join(' '),
      ...(error.problem === undefined ? {} : { problem: error.problem, code: error.code as 'failed' }),
      cause: error,
    })
  }
}

/** Refuses an answer whose certificate is not for our key, before anything is replaced by it. */
export const checkAnswer = (issued: IssuedCertificate, keyPem: string, keyPath: string): X509Certificate => {
  const certificate = readCertificates(issued.chain_pem, 'the answer')[0]
  if (certificate?.checkPrivateKey(readPrivateKey(keyPem, keyPath)) !== true)
    throw new CliError(exitCode.failed, 'the server answered with a certificate for another key', {
      next: 'Remove the files named .next beside the key, and run the command again.',
    })
  return certificate
}

/** Step 3. */
export const stageCertificate = (paths: IdentityPaths, chainPem: string): Promise<void> =>
  writeFileAtomic(nextName(paths.cert), chainPem, fileMode.open)

/** Steps 4 to 6, from wherever an earlier run had come. */
export const install = async (paths: IdentityPaths): Promise<void> => {
  if (await exists(nextName(paths.key))) await moveFile(nextName(paths.key), paths.key)
  await moveFile(nextName(paths.cert), paths.cert)
  await removeFile(requestName(paths.key))
}

/** What an earlier run left beside an identity: a staged certificate with its key, before or after step 4. */
export interface Staged {
  chainPem: string
  keyPem: string
  /** The key has its final name already: nothing is left to decide. */
  keyInPlace: boolean
}

export const findStaged = async (paths: IdentityPaths): Promise<Staged | undefined> => {
  const chainPem = await readTextIfThere(nextName(paths.cert))
  if (chainPem === undefined) return undefined
  const [certificate] = readCertificates(chainPem, nextName(paths.cert))
  for (const path of [nextName(paths.key), paths.key]) {
    const keyPem = await readTextIfThere(path)
    if (keyPem !== undefined && certificate?.checkPrivateKey(readPrivateKey(keyPem, path)))
      return { chainPem, keyPem, keyInPlace: path === paths.key }
  }
  return undefined
}

/** Forgets everything that waits beside an identity. */
export const discardStaged = async (paths: IdentityPaths): Promise<void> => {
  await dropPending(paths.key)
  await removeFile(nextName(paths.cert))
}
