import { X509Certificate } from 'node:crypto'
import { fileMode, writeFileAtomic } from '../../client/files.ts'
import { toRfc3339 } from '../../core/time.ts'
import { DerProblem } from '../../pki/der.ts'
import { oid } from '../../pki/oids.ts'
import { writePem } from '../../pki/pem.ts'
import { type Crl, crlProblems, readCrl } from '../../pki/read-crl.ts'
import type { Client } from '../client.ts'
import { CliError, configurationError, exitCode } from '../errors.ts'
import type { View } from '../output.ts'
import type { Session } from '../session.ts'
import { planeOver } from './plane.ts'

export interface CrlFlags {
  pkiUrl?: string
  outputFile?: string
}

/** 100,000 entries have about 5 MB. */
const largest = 64 * 1024 * 1024

interface Row {
  serial_number: string
  revoked_at: string
  reason?: string
}
const rowView: View<Row> = {
  name: ({ serial_number }) => serial_number,
  columns: [
    { title: 'SERIAL', cell: ({ serial_number }) => serial_number },
    { title: 'REVOKED', cell: ({ revoked_at }) => revoked_at },
    { title: 'REASON', cell: ({ reason }) => reason },
  ],
}

/** Where our own certificate says that its CRL is. @see RFC 5280 §4.2.1.13 */
const distributionPointOf = async (certificate: X509Certificate): Promise<string | undefined> => {
  const { readCertificate } = await import('../../pki/read-certificate.ts')
  const found = readCertificate(certificate.raw).extensions.find((each) => each.oid === oid.crlDistributionPoints)
  return found && /https?:\/\/[\x21-\x7e]+?\/pki\/issuers\/[0-9a-f]{16}\.crl/.exec(found.value.toString('latin1'))?.[0]
}

const placeOf = async ({ identity }: Client, { pkiUrl }: CrlFlags, issuerId: string): Promise<string> => {
  if (pkiUrl !== undefined) return `${pkiUrl.replace(/\/+$/, '')}/pki/issuers/${issuerId}.crl`
  const point = await distributionPointOf(identity.certificate)
  if (point === undefined)
    throw configurationError('where the CRL is published is not known', {
      why: 'Your certificate names no distribution point: the servers run without --public-url.',
      next: 'Give --pki-url http://HOST:PORT of the PKI listener (--pki-listen of the server).',
    })
  return point.replace(/[0-9a-f]{16}\.crl$/, `${issuerId}.crl`)
}

const fetchCrl = async (url: string, timeout: number, signal: AbortSignal): Promise<Buffer> => {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeout)])
  try {
    const answer = await fetch(url, { signal: limit, redirect: 'error' })
    if (answer.status === 404)
      throw new CliError(exitCode.notFound, `there is no CRL at ${url}`, {
        next: '`airunner ca list` shows the issuers; a CRL is there a minute after its first server has started.',
      })
    if (answer.status !== 200) throw new CliError(exitCode.unavailable, `${url} answered ${answer.status}`)
    const parts: Uint8Array[] = []
    let length = 0
    for await (const part of answer.body ?? []) {
      length += part.length
      if (length > largest) throw new CliError(exitCode.failed, `${url} is larger than ${largest} bytes`)
      parts.push(part)
    }
    return Buffer.concat(parts)
  } catch (error) {
    if (signal.aborted) throw signal.reason
    if (error instanceof CliError) throw error
    const cause = (error as Error).cause as { code?: string } | undefined
    throw new CliError(exitCode.unreachable, `cannot fetch ${url}`, {
      why: cause?.code ?? (error as Error).message,
      next: 'Check --pki-url, and that the PKI listener of the server is on (--pki-listen).',
      cause: error,
    })
  }
}

const read = (der: Buffer, url: string): Crl => {
  try {
    return readCrl(der)
  } catch (error) {
    if (!(error instanceof DerProblem)) throw error
    throw new CliError(exitCode.failed, `${url} is no CRL that can be read`, { why: error.message, cause: error })
  }
}

/** `airunner ca crl [ISSUER_ID]`. */
export const showCrl = async (session: Session, flags: CrlFlags, wanted: string | undefined): Promise<void> => {
  const client = await session.connect()
  const plane = planeOver(client)
  const issuers = (await plane.list()).filter(({ kind }) => kind === 'issuer')
  const issuer = issuers.find(({ issuer_id, state }) =>
    wanted === undefined ? state === 'active' : issuer_id === wanted,
  )
  if (issuer === undefined)
    throw new CliError(
      exitCode.notFound,
      wanted === undefined ? 'no issuer is active' : `there is no issuer ${wanted}`,
      {
        next: '`airunner ca list` shows the issuers.',
      },
    )
  const url = await placeOf(client, flags, issuer.issuer_id)
  const der = await fetchCrl(url, session.globals().timeout, session.io.signal)
  const crl = read(der, url)
  const problems = crlProblems(crl, new X509Certificate(issuer.certificate_pem), session.io.now())
  if (problems.length > 0)
    throw new CliError(exitCode.failed, `the CRL at ${url} is not good`, { why: problems.join('\n') })
  const about = `CRL ${crl.number} of ${issuer.issuer_id}, ${crl.entries.length} entries, ${toRfc3339(crl.this_update)} until ${toRfc3339(crl.next_update)}; its signature is good.`
  if (flags.outputFile !== undefined) {
    const text = flags.outputFile.endsWith('.pem') ? writePem('X509 CRL', der) : der
    await writeFileAtomic(flags.outputFile, text, fileMode.open)
  } else
    await session.print().list(
      rowView,
      crl.entries.map(({ revoked_at, ...each }) => ({ ...each, revoked_at: toRfc3339(revoked_at) })),
    )
  await session.note(flags.outputFile === undefined ? about : `${about} Wrote ${flags.outputFile}.`)
}
