import { generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto'
import { createIssuer, createRoot, createServerCertificate } from '../../src/pki/ca.ts'
import { issuerOf } from '../../src/pki/issuer.ts'
import { makeLocalSigner } from '../../src/pki/local-signer.ts'
import { certificatePem } from '../../src/pki/pem.ts'

const makeKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pemOf = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString()

/** Root, issuers and a server certificate for `localhost`, as the environment of a server holds them. */
export const makeAuthority = async (now = Date.now()) => {
  const [rootKey, issuerKey, serverIssuerKey, serverKey] = [makeKey(), makeKey(), makeKey(), makeKey()]
  const rootSigner = makeLocalSigner(rootKey.privateKey)
  const { der: rootDer } = await createRoot({ signer: rootSigner, common_name: 'test root', now })
  const root = { certificate: new X509Certificate(rootDer), signer: rootSigner }
  const { der: issuerDer } = await createIssuer({
    root,
    publicKey: issuerKey.publicKey,
    common_name: 'test issuer',
    usage: 'client',
    now,
  })
  const { der: serverIssuerDer } = await createIssuer({
    root,
    publicKey: serverIssuerKey.publicKey,
    common_name: 'test server issuer',
    usage: 'server',
    now,
  })
  const serverIssuer = issuerOf(serverIssuerDer, makeLocalSigner(serverIssuerKey.privateKey))
  const { der: serverDer } = await createServerCertificate({
    issuer: serverIssuer,
    publicKey: serverKey.publicKey,
    hostname: 'localhost',
    extra_names: { dns: [], ip: ['127.0.0.1'] },
    now,
  })
  const root_pem = certificatePem(rootDer)
  return {
    root,
    rootKey: rootKey.privateKey,
    issuer: issuerOf(issuerDer, makeLocalSigner(issuerKey.privateKey)),
    serverIssuer,
    serverIssuerKey: serverIssuerKey.privateKey,
    root_pem,
    env: {
      AIRUNNER_CA_CERT: root_pem,
      AIRUNNER_ISSUER_CERT: certificatePem(issuerDer),
      AIRUNNER_ISSUER_KEY: pemOf(issuerKey.privateKey),
      AIRUNNER_SERVER_CERT: certificatePem(serverDer) + certificatePem(serverIssuerDer),
      AIRUNNER_SERVER_KEY: pemOf(serverKey.privateKey),
    },
  }
}
export type Authority = Awaited<ReturnType<typeof makeAuthority>>
