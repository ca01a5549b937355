import { X509Certificate } from 'node:crypto'
import { day } from '../../src/core/time.ts'
import { createIssuer, createRoot } from '../../src/pki/ca.ts'
import { makeIssueClientCertificate } from '../../src/pki/certificate.ts'
import { buildClientTbs, makeClientTbs } from '../../src/pki/client-tbs.ts'
import { readCsr } from '../../src/pki/csr.ts'
import { presentedBy } from '../../src/pki/inspect.ts'
import { issuerOf } from '../../src/pki/issuer.ts'
import { generateKeyPair } from '../../src/pki/keys.ts'
import { makeLocalSigner } from '../../src/pki/local-signer.ts'
import { type ClientGrant, chooseValidity } from '../../src/pki/profile.ts'
import { makeCsr } from '../../src/pki/request.ts'
import { newSerialNumber } from '../../src/pki/serial.ts'

/** CPU milliseconds (user and system, this process) per call, the best of five rounds: other work can only add to it. */
const cost = async (work: () => unknown, calls: number): Promise<number> => {
  for (let call = 0; call < calls; call++) await work()
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < 5; round++) {
    const start = process.cpuUsage()
    for (let call = 0; call < calls; call++) await work()
    const { user, system } = process.cpuUsage(start)
    best = Math.min(best, (user + system) / 1000 / calls)
  }
  return best
}

/** CPU milliseconds of each part of an issue, in this process. */
export const run = async (): Promise<Record<string, number>> => {
  const now = Date.now()
  const rootSigner = makeLocalSigner(generateKeyPair().privateKey)
  const root = await createRoot({ signer: rootSigner, common_name: 'bench root', now })
  const issuerKey = generateKeyPair()
  const made = await createIssuer({
    root: { certificate: new X509Certificate(root.der), signer: rootSigner },
    publicKey: issuerKey.publicKey,
    common_name: 'bench issuer',
    usage: 'client',
    now,
  })
  const issuer = issuerOf(made.der, makeLocalSigner(issuerKey.privateKey))
  const profile = {
    hostname: 'bench.example.com',
    oid_arc: '1.3.6.1.4.1.99999.1',
    public_url: 'http://bench.example.com',
  }
  const pem = makeCsr(generateKeyPair().privateKey, 'worker-1')
  const { spki } = readCsr(pem)
  const grantFor = (key: Buffer): ClientGrant => ({
    serial_number: newSerialNumber(now),
    principal_id: 'worker-1',
    principal_type: 'worker',
    spki: key,
    ...chooseValidity({ now, max_validity: 90 * day, issuer_not_after: issuer.not_after }),
  })
  const issue = makeIssueClientCertificate({ issuer, profile })
  const tbsOf = makeClientTbs(issuer, profile)
  const leaf = new X509Certificate(await issue(grantFor(spki)))

  const costs = {
    'issue without the request': await cost(() => issue(grantFor(spki)), 500),
    'issue with the request': await cost(() => issue(grantFor(readCsr(pem).spki)), 500),
    'request alone': await cost(() => readCsr(pem), 500),
    'signed part from the template': await cost(() => tbsOf(grantFor(spki)), 500),
    'signed part through pkijs': await cost(() => buildClientTbs(issuer, profile, grantFor(spki)), 100),
    'recognise a presented certificate': await cost(() => presentedBy(leaf, [issuer], profile), 500),
  }
  return Object.fromEntries(Object.entries(costs).map(([part, milliseconds]) => [`${part}_cpu_ms`, milliseconds]))
}
