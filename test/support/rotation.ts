import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { createIssuer, createRoot } from '../../src/pki/ca.ts'
import { issuerIdOf } from '../../src/pki/issuer.ts'
import { privateKeyPem, spkiOf } from '../../src/pki/keys.ts'
import { makeLocalSigner } from '../../src/pki/local-signer.ts'
import type { Authority } from './authority.ts'
import type { Answer, Client } from './client.ts'
import type { RunningServer } from './plane.ts'

type Root = Authority['root']

/** Another issuer, as an administrator makes one: its certificate, and its key for the servers. */
export const makeNextIssuer = async (
  root: Root,
  common_name: string,
  validity?: number,
  usage: 'client' | 'server' = 'client',
) => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const now = Date.now()
  const { pem } = await createIssuer({ root, publicKey, common_name, usage, now, ...(validity && { validity }) })
  return { issuer_id: issuerIdOf(spkiOf(publicKey)), pem, key_pem: privateKeyPem(privateKey), privateKey }
}
export type NextIssuer = Awaited<ReturnType<typeof makeNextIssuer>>

/** `validity` in milliseconds; of one key, more than one root can be made. */
export const makeNextRoot = async (
  common_name: string,
  validity?: number,
  signer = makeLocalSigner(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
) => {
  const { der, pem } = await createRoot({ signer, common_name, now: Date.now(), ...(validity && { validity }) })
  return { root: { certificate: new X509Certificate(der), signer }, pem }
}

/** Gives a server the certificates and keys of issuers, in the order of `issuers`, as a second pair of PEM blocks does. */
export const giveIssuers = async (
  server: RunningServer,
  authority: Authority,
  issuers: NextIssuer[],
  own = true,
): Promise<void> => {
  const { AIRUNNER_ISSUER_CERT, AIRUNNER_ISSUER_KEY } = authority.env
  server.env['AIRUNNER_ISSUER_CERT'] = (own ? AIRUNNER_ISSUER_CERT : '') + issuers.map(({ pem }) => pem).join('')
  server.env['AIRUNNER_ISSUER_KEY'] = (own ? AIRUNNER_ISSUER_KEY : '') + issuers.map(({ key_pem }) => key_pem).join('')
  await server.reload()
}

/** Asks again while a machine under load has no time; a refusal that a rotation could be to blame for is none of that. */
export const unlessBusy = async (ask: () => Promise<Answer>): Promise<Answer> => {
  for (let tries = 0; ; tries++) {
    const answer = await ask()
    if (!['overloaded', 'store_unavailable'].includes(answer.body?.code) || tries === 400) return answer
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** One step of a rotation, as an admin asks for it. */
export const step = (admin: Client, issuerId: string, verb: string, body: object = {}): Promise<Answer> =>
  unlessBusy(() => admin.post(`/v1/authorities/${issuerId}/${verb}`, body))

/** An authority as the list has it. */
export const authorityOf = async (admin: Client, issuerId: string) =>
  (await unlessBusy(() => admin.get('/v1/authorities'))).body.items.find(
    ({ issuer_id }: { issuer_id: string }) => issuer_id === issuerId,
  )

export const prepare = (admin: Client, { pem }: { pem: string }, more: object = {}): Promise<Answer> =>
  unlessBusy(() => admin.post('/v1/authorities', { certificate_pem: pem, ...more }))

/** Asks again while somebody is not ready: leases are written every 2 s. */
export const whenReady = async (ask: () => Promise<Answer>, patience = 60_000): Promise<Answer> => {
  const until = performance.now() + patience
  for (;;) {
    const answer = await ask()
    if (answer.body?.code !== 'rotation_not_ready' || performance.now() > until) return answer
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}
