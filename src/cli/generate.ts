import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { fileMode, makeDirectory, readText, refuseToOverwrite, writeFileAtomic } from '../client/files.ts'
import { withLock } from '../client/lock.ts'
import type { IssueCertificate, IssuedCertificate } from '../wire/certificates.ts'
import type { Client } from './client.ts'
import { CliError, exitCode } from './errors.ts'
import {
  checkAnswer,
  discardStaged,
  type IdentityPaths,
  install,
  sendPending,
  stageCertificate,
} from './installation.ts'
import { findPending, type Pending, type PendingRequest, storePending } from './pending.ts'
import type { Session } from './session.ts'

export interface GenerateOptions {
  principalId: string
  outputDir: string
  /** Seconds; absent: the server's default. */
  validity?: number
  description?: string
  /** A request made elsewhere: then the key stays there. */
  csr?: string
  force: boolean
}

export const endpoint = '/v1/certificates'
const names = { cert: 'cert.pem', key: 'key.pem', ca: 'ca.pem' } as const

/** What is asked for, without the request of the key. */
export type CertificateWish = Omit<IssueCertificate, 'csr_pem'>

export const wishOf = ({
  principalId,
  validity,
  description,
}: Pick<GenerateOptions, 'principalId' | 'validity' | 'description'>): CertificateWish => ({
  principal_id: principalId,
  ...(validity === undefined ? {} : { validity_seconds: validity }),
  ...(description === undefined ? {} : { description }),
})

/** True when a request that was left unfinished asked for the same. */
export const asksFor = (request: PendingRequest, wish: CertificateWish): boolean => {
  const { csr_pem: _csr, ...asked } = JSON.parse(request.body) as IssueCertificate
  const text = (value: object) => JSON.stringify(Object.entries(value).sort())
  return request.path === endpoint && text(asked) === text(wish)
}

/** A certificate for a request that someone else holds the key of: the same file gives the same answer for a day. */
const generateFromCsr = async (
  client: Client,
  options: GenerateOptions,
  csrPem: string,
): Promise<IssuedCertificate> => {
  const body = JSON.stringify({ ...wishOf(options), csr_pem: csrPem })
  return client.send<IssuedCertificate>({
    method: 'POST',
    path: endpoint,
    body,
    headers: { 'idempotency-key': createHash('sha256').update(body).digest('hex') },
  })
}

/** The unfinished request to go on with, or a new one, on disk with its key before anything is sent. */
const prepare = async (session: Session, options: GenerateOptions, paths: IdentityPaths): Promise<Pending> => {
  const wish = wishOf(options)
  const left = await findPending(paths.key, session.io.now())
  if (left !== undefined && asksFor(left.request, wish)) {
    await session.note('Going on with a request that was left unfinished.')
    return left
  }
  if (left !== undefined && !options.force)
    throw new CliError(exitCode.conflict, `an unfinished request for other terms lies in ${options.outputDir}`, {
      why: 'An earlier run sent it and never saw the answer, so a certificate may exist for its key.',
      next: 'Finish it by running that command again, choose another --output-dir, or drop it with --force.',
    })
  await discardStaged(paths)
  if (left === undefined) await refuseToOverwrite(options.outputDir, [names.key, names.cert, names.ca], options.force)
  const [{ generateKeyPair, privateKeyPem }, { makeCsr }] = await Promise.all([
    import('../pki/keys.ts'),
    import('../pki/request.ts'),
  ])
  const { privateKey } = generateKeyPair()
  const body = { ...wish, csr_pem: makeCsr(privateKey, options.principalId) }
  return storePending(paths.key, privateKeyPem(privateKey), endpoint, body, session.io.now())
}

/** Makes a key, has a certificate issued for it, and writes key.pem, cert.pem and ca.pem. The key never leaves. */
export const generate = async (session: Session, options: GenerateOptions): Promise<IssuedCertificate> => {
  const { outputDir } = options
  const paths = { cert: join(outputDir, names.cert), key: join(outputDir, names.key) }
  const client = await session.connect()
  if (options.csr !== undefined) {
    const csrPem = await readText(options.csr, 'certificate request')
    await refuseToOverwrite(outputDir, [names.cert, names.ca], options.force)
    await makeDirectory(outputDir)
    const issued = await generateFromCsr(client, options, csrPem)
    await writeFileAtomic(paths.cert, issued.chain_pem, fileMode.open)
    await writeFileAtomic(join(outputDir, names.ca), issued.trust_bundle_pem, fileMode.open)
    await session.note(`Wrote ${names.cert} and ${names.ca} to ${outputDir}.`)
    return issued
  }
  await makeDirectory(outputDir)
  return withLock(`${paths.key}.lock`, async () => {
    const pending = await prepare(session, options, paths)
    const issued = await sendPending(client, pending, paths.key)
    checkAnswer(issued, pending.keyPem, paths.key)
    await writeFileAtomic(join(outputDir, names.ca), issued.trust_bundle_pem, fileMode.open)
    await stageCertificate(paths, issued.chain_pem)
    await install(paths)
    await session.note(`Wrote ${names.key}, ${names.cert} and ${names.ca} to ${outputDir}.`)
    return issued
  })
}
