import type { Straggler } from '../../core/authority.ts'
import type { CertificateRecord } from '../../core/certificate.ts'
import { second, toRfc3339 } from '../../core/time.ts'
import type { AuthorityDeps } from './deps.ts'

/** Certificates are looked through for so long; a request has little more. Milliseconds. */
const patience = 4 * second
const rowsPerPage = 500

export interface ActiveCertificates {
  found: CertificateRecord[]
  /** False: there may be more. */
  complete: boolean
}

/** The active certificates of an issuer, by the index that is sorted by expiry; at most `most`, and as far as time allows. */
export const activeCertificates = async (
  { registry, clock, horizon }: Pick<AuthorityDeps, 'registry' | 'clock' | 'horizon'>,
  issuerId: string,
  most: number,
): Promise<ActiveCertificates> => {
  const started = performance.now()
  const found: CertificateRecord[] = []
  let page_token: string | undefined
  do {
    if (found.length >= most || performance.now() - started > patience) return { found, complete: false }
    const page = await registry.certificates.list({
      issuer_id: issuerId,
      status: 'active',
      limit: Math.min(rowsPerPage, most),
      ...(page_token === undefined ? {} : { page_token }),
      now: clock(),
      horizon: horizon(),
    })
    found.push(...page.items)
    page_token = page.next_page_token
  } while (page_token !== undefined)
  return { found, complete: true }
}

export const holdersOf = (certificates: CertificateRecord[]): Straggler[] =>
  certificates.map(({ principal_id: id, serial_number, expires_at }) => ({
    kind: 'agent',
    id,
    detail: `holds the certificate ${serial_number} until ${toRfc3339(expires_at)}`,
  }))
