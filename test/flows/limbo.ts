import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect } from 'node:tls'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { verdictOf } from '../../src/auth/verdict.ts'
import { dayOf } from '../../src/core/time.ts'
import { presentedBy } from '../../src/pki/inspect.ts'
import { type Issuer, issuerOf } from '../../src/pki/issuer.ts'
import { startPlane } from '../support/plane.ts'

interface LimboCase {
  id: string
  trusted_certs: string[]
  untrusted_intermediates: string[]
  peer_certificate: string
  peer_certificate_key: string | null
  validation_time: string | null
  expected_result: 'SUCCESS' | 'FAILURE'
}

const vectors = gunzipSync(readFileSync(new URL('../vectors/limbo-client.json.gz', import.meta.url)))
const { testcases } = JSON.parse(vectors.toString()) as { testcases: LimboCase[] }
const profile = { hostname: 'example.com', oid_arc: '1.3.6.1.4.1.99999.1' }

/** The case's authorities as if they were our issuers, as far as they can be. */
const asIssuers = (pems: string[]): Issuer[] =>
  pems.flatMap((pem) => {
    try {
      return [issuerOf(new X509Certificate(pem).raw)]
    } catch {
      return []
    }
  })

const parsed = (pem: string): X509Certificate | undefined => {
  try {
    return new X509Certificate(pem)
  } catch {
    return undefined
  }
}

t.test(
  'with a case’s CA as ours and its certificate in the registry, nothing that ought to fail is admitted',
  async (t) => {
    t.ok(testcases.length > 200)
    let ours = 0
    for (const one of testcases) {
      const certificate = parsed(one.peer_certificate)
      if (certificate === undefined) continue
      const issuers = asIssuers([...one.trusted_certs, ...one.untrusted_intermediates])
      const presented = presentedBy(certificate, issuers, profile)
      if (presented === undefined) continue
      ours++
      const now = one.validation_time === null ? Date.now() : Date.parse(one.validation_time)
      const principal_id = presented.claimed?.principal_id ?? 'limbo'
      const principal_type = presented.claimed?.principal_type ?? 'worker'
      const verdict = verdictOf(
        presented,
        {
          principal: {
            principal_id,
            type: principal_type,
            status: 'active',
            created_at: 0,
            created_by: 'test',
            updated_at: 0,
            version: 1,
            revision: 1,
            max_certificates: 3,
            metadata: {},
            rejoins: 0,
            rejoin_blocked: false,
            active_serials: {},
          },
          certificate: {
            serial_number: presented.serial_number,
            fingerprint: presented.fingerprint,
            principal_id,
            principal_type,
            subject_dn: '',
            spiffe_id: '',
            issuer_id: presented.issuer_id,
            issued_at: presented.not_before,
            not_before: presented.not_before,
            expires_at: presented.expires_at,
            expiry_day: dayOf(0),
            issued_by: 'test',
            kind: 'issued',
            revoked: false,
            certificate_der: certificate.raw,
            spki_sha256: '',
            ttl: 0,
          },
        },
        { supersede_grace: 0, trusts: () => true },
        now,
      )
      if (one.expected_result === 'FAILURE') t.notOk('admitted' in verdict, one.id)
    }
    t.ok(ours > 20, `${ours} cases reach the verdict`)
  },
)

t.test('presented to a running server, none gets a byte of HTTP', async (t) => {
  const plane = await startPlane(t)
  const port = Number(plane.server.mtls.split(':')[1])
  const presented = testcases.filter((one) => one.peer_certificate_key !== null && parsed(one.peer_certificate))
  let shown = 0
  for (const one of presented) {
    const received = await new Promise<string | undefined>((resolve) => {
      let text = ''
      try {
        const socket = connect({
          host: '127.0.0.1',
          port,
          servername: 'localhost',
          ca: plane.authority.root_pem,
          cert: one.peer_certificate + one.untrusted_intermediates.join(''),
          key: one.peer_certificate_key as string,
        })
        socket.on('secureConnect', () => socket.write('GET /v1/whoami HTTP/1.1\r\nHost: localhost\r\n\r\n'))
        socket.on('data', (part) => {
          text += String(part)
        })
        socket.on('error', () => undefined)
        socket.on('close', () => resolve(text))
      } catch {
        // OpenSSL does not even load the key with this certificate.
        resolve(undefined)
      }
    })
    if (received === undefined) continue
    shown++
    t.equal(received, '', one.id)
  }
  t.ok(shown > 100, `${shown} were presented`)
})
