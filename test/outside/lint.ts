import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { principalTypes } from '../../src/core/principal.ts'
import { day } from '../../src/core/time.ts'
import { createIssuer, createRoot, createServerCertificate } from '../../src/pki/ca.ts'
import { makeIssueClientCertificate } from '../../src/pki/certificate.ts'
import { issuerOf } from '../../src/pki/issuer.ts'
import { spkiOf } from '../../src/pki/keys.ts'
import { makeLocalSigner } from '../../src/pki/local-signer.ts'
import { makeResponder } from '../../src/pki/ocsp-responder.ts'
import { certificatePem } from '../../src/pki/pem.ts'
import { type ClientProfile, chooseValidity } from '../../src/pki/profile.ts'
import { newSerialNumber } from '../../src/pki/serial.ts'
import { missingTools, runTool } from '../support/tools.ts'

const now = Date.now()
const makeKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })
const makeSigner = () => makeLocalSigner(makeKey().privateKey)

/** One certificate of every kind that the plane makes, PEM, by what it is. */
const makeSamples = async (): Promise<Record<string, string>> => {
  const [rootSigner, clientSigner, serverSigner] = [makeSigner(), makeSigner(), makeSigner()]
  const root = await createRoot({ signer: rootSigner, common_name: 'airunner root', now })
  const below = { root: { certificate: issuerOf(root.der).certificate, signer: rootSigner }, now }
  const clients = await createIssuer({
    ...below,
    publicKey: clientSigner.publicKey,
    common_name: 'airunner issuer',
    usage: 'client',
  })
  const servers = await createIssuer({
    ...below,
    publicKey: serverSigner.publicKey,
    common_name: 'airunner server issuer',
    usage: 'server',
  })
  const issuer = issuerOf(clients.der, clientSigner)
  const serverOrder = { issuer: issuerOf(servers.der, serverSigner), publicKey: makeKey().publicKey, now }
  const samples: Record<string, string> = {
    root: root.pem,
    'issuer of clients': clients.pem,
    'issuer of servers': servers.pem,
    server: (await createServerCertificate({ ...serverOrder, hostname: 'airunner-prod.example.com' })).pem,
    'server in development': (
      await createServerCertificate({
        ...serverOrder,
        hostname: 'localhost',
        extra_names: { dns: [], ip: ['127.0.0.1'] },
      })
    ).pem,
  }
  samples['OCSP responder'] = certificatePem((await makeResponder(issuer, now)).der)
  const plain: ClientProfile = { hostname: 'airunner-prod.example.com', oid_arc: '1.3.6.1.4.1.99999.1' }
  const published: ClientProfile = { ...plain, public_url: 'http://airunner-prod.example.com:8081' }
  const clientOf = async (
    profile: ClientProfile,
    principal_type: (typeof principalTypes)[number],
    principal_id: string,
  ) =>
    certificatePem(
      await makeIssueClientCertificate({ issuer, profile })({
        serial_number: newSerialNumber(now),
        principal_id,
        principal_type,
        spki: spkiOf(makeKey().publicKey),
        ...chooseValidity({ now, max_validity: 90 * day, issuer_not_after: issuer.not_after }),
      }),
    )
  for (const type of principalTypes)
    samples[`client of type ${type}`] = await clientOf(published, type, `${type}-1.example_2`)
  samples['client of a plane that publishes nothing'] = await clientOf(plain, 'worker', 'worker-1')
  samples['client whose id is too long for a common name'] = await clientOf(published, 'worker', `w${'0'.repeat(127)}`)
  return samples
}

/** What pkilint holds against names that are right: of its list of URI schemes and of top-level domains ours are not. */
const misjudged = [
  /^pkix\.invalid_uri_syntax: Invalid URI syntax: "spiffe:\/\/airunner-prod\.example\.com\/(admin|worker|user|service)\/[a-z0-9._-]+"$/,
  /^pkix\.invalid_domain_name_syntax: Invalid domain name syntax: "localhost"$/,
]

interface Findings {
  results: { finding_descriptions: { code: string; message: string | null }[] }[]
}
const findingsOf = (json: string): string[] =>
  (JSON.parse(json) as Findings).results
    .flatMap(({ finding_descriptions }) => finding_descriptions)
    .map(({ code, message }) => `${code}: ${message ?? ''}`)
    .filter((finding) => !misjudged.some((pattern) => pattern.test(finding)))

/** Rules of the public web misjudge private certificates; these sources are about X.509 itself. */
const sources = 'RFC5280,RFC5480,RFC5891,Community'
/** For one look at one certificate. */
const patienceMs = 20_000

t.test(
  'outside linters find no fault with any certificate',
  { skip: missingTools('zlint', 'lint_pkix_cert') },
  async (t) => {
    const folder = t.testdir({})
    for (const [name, pem] of Object.entries(await makeSamples())) {
      const file = join(folder, `${name.replaceAll(' ', '-')}.pem`)
      writeFileSync(file, pem)
      const [zlint, pkilint] = await Promise.all([
        runTool('zlint', ['-includeSources', sources, file], patienceMs),
        runTool('lint_pkix_cert', ['lint', '-s', 'WARNING', '-f', 'JSON', file], patienceMs),
      ])
      // zlint exits with 0 whatever it finds.
      const verdicts = Object.entries(JSON.parse(zlint.stdout) as Record<string, { result: string }>)
      t.ok(verdicts.length > 100, `${name}: zlint has looked`)
      t.same(
        verdicts.filter(([, { result }]) => !['pass', 'NA', 'NE', 'info', 'notice'].includes(result)),
        [],
        `${name}: zlint`,
      )
      t.same(findingsOf(pkilint.stdout), [], `${name}: pkilint`)
    }
  },
)

t.test('a fault is found', { skip: missingTools('zlint', 'lint_pkix_cert') }, async (t) => {
  const signer = makeSigner()
  const root = await createRoot({ signer, common_name: 'airunner root', now })
  // The subject key identifier becomes an unknown extension, which an authority cannot be without. Linters check no signature.
  const subjectKeyIdentifier = Buffer.from([0x06, 0x03, 0x55, 0x1d, 0x0e])
  const broken = Buffer.from(root.der)
  broken.writeUInt8(0x7f, broken.indexOf(subjectKeyIdentifier) + subjectKeyIdentifier.length - 1)
  const file = join(t.testdir({}), 'broken.pem')
  writeFileSync(file, certificatePem(broken))
  const zlint = await runTool('zlint', ['-includeSources', sources, file], patienceMs)
  t.match(zlint.stdout, /"result":"(error|warn|fatal)"/)
  const pkilint = await runTool('lint_pkix_cert', ['lint', '-s', 'WARNING', '-f', 'JSON', file], patienceMs)
  t.not(findingsOf(pkilint.stdout).length, 0)
})
