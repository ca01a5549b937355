import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { realpath } from 'node:fs/promises'
import { readText, readTextIfThere } from '../client/files.ts'
import { configurationError } from './errors.ts'
import { nextName } from './pending.ts'

const certificateExpression = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** Every certificate of a PEM text, in order; `source` names the text in errors. */
export const readCertificates = (pem: string, source: string): X509Certificate[] => {
  const blocks = pem.match(certificateExpression) ?? []
  try {
    return blocks.map((block) => new X509Certificate(block))
  } catch (error) {
    throw configurationError(`${source} holds a certificate that cannot be read`, {
      next: 'It must be PEM: -----BEGIN CERTIFICATE-----.',
      cause: error,
    })
  }
}

/** The roots by which the server is verified. An empty bundle would silently mean trust in nobody, or in everybody. */
export const readTrustBundle = async (path: string): Promise<{ pem: string; roots: X509Certificate[] }> => {
  const pem = await readText(path, 'trust bundle')
  const roots = readCertificates(pem, path)
  if (roots.length === 0)
    throw configurationError(`the trust bundle ${path} holds no certificate`, {
      next: 'Get ca-cert.pem from whoever runs the server, or GET /v1/trust-bundle?format=pem.',
    })
  return { pem, roots }
}

/** A client certificate with the key that belongs to it. */
export interface Identity {
  certificatePem: string
  keyPem: string
  certificate: X509Certificate
}

/** The private key of a PEM text. Errors never hold the text. */
export const readPrivateKey = (pem: string, path: string): KeyObject => {
  try {
    return createPrivateKey(pem)
  } catch (error) {
    const encrypted =
      (error as NodeJS.ErrnoException).code === 'ERR_MISSING_PASSPHRASE' || /BEGIN ENCRYPTED|,ENCRYPTED/.test(pem)
    throw configurationError(`the key ${path} cannot be read`, {
      why: encrypted ? 'It is encrypted.' : 'It is not a PEM private key.',
      next: encrypted
        ? `Decrypt it: \`openssl pkey -in ${path} -out NEW\`.`
        : 'Expected -----BEGIN PRIVATE KEY----- (PKCS #8).',
    })
  }
}

const pairOf = (certificatePem: string, keyPem: string, names: [string, string]): Identity | undefined => {
  const certificate = readCertificates(certificatePem, names[0])[0]
  if (certificate === undefined)
    throw configurationError(`${names[0]} holds no certificate`, {
      next: 'It must be PEM: -----BEGIN CERTIFICATE-----.',
    })
  return certificate.checkPrivateKey(readPrivateKey(keyPem, names[1]))
    ? { certificatePem, keyPem, certificate }
    : undefined
}

/**
 * Reads a certificate and its key. While `certificate renew` replaces the two files, or after it was killed between
 * them, the key is new and the certificate still waits under its next name: then that one is used.
 */
export const readIdentity = async (certificatePath: string, keyPath: string): Promise<Identity> => {
  const names: [string, string] = [certificatePath, keyPath]
  const read = async (): Promise<Identity | undefined> =>
    pairOf(await readText(certificatePath, 'client certificate'), await readText(keyPath, 'client key'), names)
  const pair = await read()
  if (pair !== undefined) return pair
  const waiting = await readTextIfThere(nextName(await realpath(certificatePath)))
  const successor = waiting && pairOf(waiting, await readText(keyPath, 'client key'), names)
  if (successor) return successor
  // Both renames may have happened between the two reads above.
  const again = await read()
  if (again !== undefined) return again
  throw configurationError(`the key ${keyPath} does not belong to the certificate ${certificatePath}`, {
    why: 'A certificate can be used only with the key it was issued for.',
    next: 'Name the two files that were written together.',
  })
}
