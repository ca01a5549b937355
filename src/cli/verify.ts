import { readText } from '../client/files.ts'
import type { Certificate } from '../wire/certificates.ts'
import { chainProblems } from './chain.ts'
import { readCertificates, readTrustBundle } from './credentials.ts'
import { CliError, configurationError, exitCode } from './errors.ts'
import { inspect, requireCertificates } from './inspect.ts'
import type { Session } from './session.ts'
import { colonHex } from './text.ts'

/** What is known of a certificate: its chain by the trust bundle, its status by the registry when that was asked. */
export interface Verification {
  serial_number: string
  fingerprint: string
  subject: string
  expires_at: string
  chain: 'ok' | 'bad'
  chain_problems?: string[]
  /** Of the registry: a status, `unknown` when it has no such certificate, `not asked` without a connection. */
  registry: string
  registry_problem?: string
}

/** What the registry has under this serial number. */
const askRegistry = async (session: Session, serial: string, fingerprint: string): Promise<Partial<Verification>> => {
  const client = await session.connect()
  try {
    const record = await client.get<Certificate>(`/v1/certificates/${serial}`)
    if (record.fingerprint !== fingerprint)
      return {
        registry: 'mismatch',
        registry_problem: `The registry has another certificate under this serial number (${colonHex(record.fingerprint)}).`,
      }
    const since = record.revoked_at === undefined ? '' : ` at ${record.revoked_at} (${record.revocation_reason})`
    return {
      registry: record.status,
      ...(record.status === 'active' ? {} : { registry_problem: `The registry says ${record.status}${since}.` }),
    }
  } catch (error) {
    if (!(error instanceof CliError) || error.exitCode !== exitCode.notFound) throw error
    return { registry: 'unknown', registry_problem: 'The registry has no such certificate.' }
  }
}

/** Verifies a certificate file; the caller prints the result and fails when it has problems. */
export const verifyFile = async (session: Session, file: string, offline: boolean): Promise<Verification> => {
  const settings = await session.settings()
  if (settings.cacert === undefined)
    throw configurationError('no --cacert is configured', {
      why: 'A certificate is verified by the roots of a trust bundle.',
      next: 'Give --cacert FILE, or add a context.',
    })
  const { roots } = await readTrustBundle(settings.cacert.value)
  const certificates = requireCertificates(readCertificates(await readText(file, 'certificate'), file), file)
  const [leaf, ...others] = certificates as [(typeof certificates)[number], ...typeof certificates]
  const { serial_number, fingerprint, subject, expires_at } = inspect(leaf)
  const problems = chainProblems(leaf, others, roots, session.io.now())
  const connected = settings.server && settings.client_cert && settings.client_key && !offline && !leaf.ca
  return {
    serial_number,
    fingerprint,
    subject,
    expires_at,
    chain: problems.length === 0 ? 'ok' : 'bad',
    ...(problems.length === 0 ? {} : { chain_problems: problems }),
    registry: 'not asked',
    ...(connected ? await askRegistry(session, serial_number, fingerprint) : {}),
  }
}

/** The refusal of a certificate that is not good, if it is not. */
export const refusalOf = (verification: Verification, file: string): CliError | undefined => {
  const problems = [...(verification.chain_problems ?? []), verification.registry_problem].filter(
    (text) => text !== undefined,
  )
  if (problems.length === 0) return undefined
  return new CliError(exitCode.failed, `${file} is not a good certificate`, { why: problems.join('\n') })
}
