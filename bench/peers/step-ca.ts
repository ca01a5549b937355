import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { Identity } from '../../test/support/client.ts'
import { freePort } from '../../test/support/free-port.ts'
import { getRequest, type Plan, postRequest } from '../load/plan.ts'
import { carryOut } from '../load/start.ts'
import { temporaryFolder } from '../support/leavings.ts'
import { inParallel, upTo } from '../support/parallel.ts'
import type { Size } from '../support/path.ts'
import { startProcess, untilAnswers } from '../support/process.ts'
import type { Bout, Contender, Peer } from './contender.ts'
import { findProgram, printed } from './installed.ts'
import { answersTcp } from './nginx.ts'

const program = findProgram('step-ca')
const openssl = findProgram('openssl')

/** Root, issuer, and a request for `worker`: its key serves all certificates, which costs step-ca no less. */
const makeFiles = (folder: string): void => {
  const run = (...args: string[]) => execFileSync(openssl as string, args, { cwd: folder, stdio: 'ignore' })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const issuing = ['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign']
  run('req', '-x509', ...newKey, '-keyout', 'root.key', '-out', 'root.crt', '-subj', '/CN=peer root', '-days', '30')
  run('req', ...newKey, '-keyout', 'issuer.key', '-out', 'issuer.csr', '-subj', '/CN=peer issuer', ...issuing)
  const signing = ['-CA', 'root.crt', '-CAkey', 'root.key', '-days', '30', '-copy_extensions', 'copyall']
  run('x509', '-req', '-in', 'issuer.csr', '-out', 'issuer.crt', ...signing)
  const name = ['-subj', '/CN=worker', '-addext', 'subjectAltName=DNS:worker']
  run('req', ...newKey, '-keyout', 'worker.key', '-out', 'worker.csr', ...name)
}

const configuration = (folder: string, port: number, key: object, crl: boolean): object => ({
  root: join(folder, 'root.crt'),
  crt: join(folder, 'issuer.crt'),
  key: join(folder, 'issuer.key'),
  address: `127.0.0.1:${port}`,
  dnsNames: ['localhost'],
  logger: { format: 'text' },
  // What `step ca init` chooses.
  db: { type: 'badgerv2', dataSource: join(folder, crl ? 'db-crl' : 'db') },
  authority: { provisioners: [{ type: 'JWK', name: 'bench', key }] },
  ...(crl && { crl: { enabled: true, generateOnRevoke: true } }),
})

/** A running step-ca, with or without a CRL, and how to talk to it. */
const startOne = async (folder: string, generator: Bout['generator'], crl: boolean) => {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const jwk = await exportJWK(publicKey)
  const kid = await calculateJwkThumbprint(jwk)
  const port = await freePort()
  const file = join(folder, `ca${crl ? '-crl' : ''}.json`)
  writeFileSync(file, JSON.stringify(configuration(folder, port, { ...jwk, kid, use: 'sig', alg: 'ES256' }, crl)))
  const server = startProcess(program as string, [file])
  await untilAnswers(server, () => answersTcp(port))

  const [ca, key, csr] = ['root.crt', 'worker.key', 'worker.csr'].map((name) =>
    readFileSync(join(folder, name), 'utf8'),
  )
  const base = { address: `127.0.0.1:${port}`, ca: ca as string }
  let tokens = 0
  const token = (verb: string, sub: string, more: object = {}): Promise<string> =>
    new SignJWT({ sub, iss: 'bench', aud: `https://localhost/1.0/${verb}`, jti: `${tokens++}`, ...more })
      .setProtectedHeader({ alg: 'ES256', kid })
      .setIssuedAt()
      .setNotBefore('0s')
      .setExpirationTime('30m')
      .sign(privateKey)
  /** Without a client certificate, on kept connections. */
  const posts = (requests: string[], inFlight: number, expect: number): Plan => ({
    ...base,
    identities: upTo(16).map(() => undefined),
    jobs: requests.map((request, turn) => ({ who: turn % 16, request })),
    connections: 'kept',
    inFlight,
    expect,
  })
  const signs = async (count: number, inFlight: number): Promise<Plan> => {
    const requests = await inParallel(upTo(count), 8, async () =>
      postRequest('/1.0/sign', { csr, ott: await token('sign', 'worker', { sans: ['worker'] }) }),
    )
    return posts(requests, inFlight, 201)
  }
  const certificates = async (count: number): Promise<Identity[]> => {
    const answers = await carryOut(generator, await signs(count, 8))
    return answers.map((text) => {
      const { crt, ca: issuer } = JSON.parse(text) as { crt: string; ca: string }
      return { certificate: `${crt}\n${issuer}`, key: key as string }
    })
  }
  const by = (
    identities: Identity[],
    jobs: Plan['jobs'],
    connections: Plan['connections'],
    inFlight: number,
    expect: number,
  ): Plan => ({ ...base, identities, jobs, connections, inFlight, expect })
  const revocations = async (count: number, inFlight: number): Promise<Plan> => {
    const serials = (await certificates(count)).map(({ certificate }) =>
      BigInt(`0x${new X509Certificate(certificate).serialNumber}`).toString(),
    )
    const requests = await inParallel(serials, 8, async (serial) =>
      postRequest('/1.0/revoke', {
        serial,
        ott: await token('revoke', serial),
        reasonCode: 4,
        reason: 'superseded',
        passive: true,
      }),
    )
    return posts(requests, inFlight, 200)
  }
  return { server, signs, certificates, revocations, by }
}

const plansOf = async (
  runs: number,
  { n, warmUp, inFlight }: Size,
  make: (count: number, inFlight: number) => Promise<Plan>,
): Promise<{ warmUp: Plan; runs: Plan[] }> => {
  const plans = { warmUp: await make(warmUp, inFlight), runs: [] as Plan[] }
  for (let run = 0; run < runs; run++) plans.runs.push(await make(n, inFlight))
  return plans
}

const version = (): string | undefined => {
  if (program === undefined || openssl === undefined) return undefined
  // Built by `go install`, it does not know its version itself; Go does.
  const said = `${printed('go', 'version', '-m', program)}\n${printed(program, 'version')}`
  return /\sgithub\.com\/smallstep\/certificates\s+v(\S+)/.exec(said)?.[1] ?? /Smallstep CA\/(\S+)/.exec(said)?.[1]
}

export const stepCa: Peer = {
  name: 'step-ca',
  version,
  start: async ({ generator, sizes, runs }): Promise<Contender> => {
    const folder = temporaryFolder('step-ca')
    makeFiles(folder)
    const { server, signs, certificates, revocations, by } = await startOne(folder, generator, false)
    const holders = await certificates(200)
    const health = (connections: Plan['connections']) => async (count: number, inFlight: number) =>
      by(
        holders,
        upTo(count).map((turn) => ({ who: turn % holders.length, request: getRequest('/health') })),
        connections,
        inFlight,
        200,
      )
    const renewals = (connections: Plan['connections']) => async (count: number, inFlight: number) => {
      const own = await certificates(count)
      return by(
        own,
        upTo(count).map((who) => ({ who, request: postRequest('/1.0/renew', {}) })),
        connections,
        inFlight,
        201,
      )
    }
    return {
      name: 'step-ca',
      pid: server.pid,
      plans: {
        handshake: await plansOf(runs, sizes.handshake, health('fresh')),
        'keep-alive': await plansOf(runs, sizes['keep-alive'], health('kept')),
        issue: await plansOf(runs, sizes.issue, signs),
        'renew-kept': await plansOf(runs, sizes['renew-kept'], renewals('kept')),
        'renew-fresh': await plansOf(runs, sizes['renew-fresh'], renewals('fresh')),
        revoke: await plansOf(runs, sizes.revoke, revocations),
      },
      notes: [
        'step-ca: badger in its own process, as `step ca init` sets it up; JWK provisioner, one-time tokens made beforehand; no CRL',
      ],
      end: () => server.end(),
    }
  },
}

/** It costs more the more were revoked: few more are. */
const withCrl: Size = { n: 50, warmUp: 100, inFlight: 4 }

export const stepCaWithCrl: Peer = {
  name: 'step-ca with CRL',
  version,
  start: async ({ generator, runs, revoked }): Promise<Contender> => {
    const folder = temporaryFolder('step-ca')
    makeFiles(folder)
    const { server, revocations } = await startOne(folder, generator, true)
    await carryOut(generator, await revocations(revoked.theirs, 8))
    return {
      name: 'step-ca with CRL',
      pid: server.pid,
      plans: { 'revoke-many': await plansOf(runs, withCrl, revocations) },
      notes: [
        `step-ca with CRL: \`generateOnRevoke\`, ${revoked.theirs} revoked before, one by one, which warmed it up as well`,
      ],
      end: () => server.end(),
    }
  },
}
