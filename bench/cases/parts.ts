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
import type { Scene } from '../support/scene.ts'

const rounds = 5

/** CPU milliseconds per call, the best of some rounds: other work can only add to it. */
const cost = async (work: () => unknown, calls: number): Promise<number> => {
  for (let call = 0; call < calls; call++) await work()
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round++) {
    const start = process.cpuUsage()
    for (let call = 0; call < calls; call++) await work()
    const { user, system } = process.cpuUsage(start)
    best = Math.min(best, (user + system) / 1000 / calls)
  }
  return best
}

/** The parts of an issue, by name. */
const makeParts = async () => {
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

  const parts: [string, () => unknown, number][] = [
    ['issue_without_the_request', () => issue(grantFor(spki)), 300],
    ['issue_with_the_request', () => issue(grantFor(readCsr(pem).spki)), 300],
    ['request_alone', () => readCsr(pem), 300],
    ['signed_part_from_the_template', () => tbsOf(grantFor(spki)), 300],
    ['signed_part_through_pkijs', () => buildClientTbs(issuer, profile, grantFor(spki)), 60],
    ['recognise_a_presented_certificate', () => presentedBy(leaf, [issuer], profile), 300],
  ]
  return parts
}

/** What an issue consists of, without a server and a store. */
export const scene: Scene = {
  name: 'parts',
  what: `CPU (user and system) of each part of an issue, called alone in this process; a run is the best of ${rounds} rounds of up to 300 calls, after one to warm up`,
  run: async ({ runs }) => {
    const figures: Record<string, number[]> = {}
    for (let run = 0; run < runs; run++)
      for (const [name, work, calls] of await makeParts())
        figures[`${name}_cpu_ms`] = [...(figures[`${name}_cpu_ms`] ?? []), await cost(work, calls)]
    return figures
  },
}
