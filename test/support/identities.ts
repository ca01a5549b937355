import { createPublicKey } from 'node:crypto'
import { type Asked, type Identity, makeIdentity } from '../../src/client/identity.ts'
import { makeIssueClientCertificate } from '../../src/pki/certificate.ts'
import { spkiOf } from '../../src/pki/keys.ts'
import { certificatePem } from '../../src/pki/pem.ts'
import { newSerialNumber } from '../../src/pki/serial.ts'
import type { Authority } from './authority.ts'

const profile = { hostname: 'localhost', oid_arc: '1.3.6.1.4.1.99999.1' }

/** An identity for a key, of the client issuer, that no registry knows. `life` in milliseconds. */
export const identityFor = async (
  authority: Authority,
  { keyPem }: Pick<Asked, 'keyPem'>,
  now = Date.now(),
  life = 300_000,
): Promise<Identity> => {
  const from = Math.floor(now / 1000) * 1000
  const der = await makeIssueClientCertificate({ issuer: authority.issuer, profile })({
    serial_number: newSerialNumber(now),
    principal_id: 'worker-1',
    principal_type: 'worker',
    spki: spkiOf(createPublicKey(keyPem)),
    not_before: from - 60_000,
    expires_at: from + life,
  })
  return makeIdentity(
    keyPem,
    `${certificatePem(der)}${authority.env.AIRUNNER_ISSUER_CERT}${authority.root_pem}`,
    'a test',
  )
}
