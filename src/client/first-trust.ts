import { Agent, request } from 'node:https'
import { isIP } from 'node:net'
import { sha256Hex } from '../core/bytes.ts'
import { certificatePem, readPem } from '../pki/pem.ts'
import type { TrustBundle } from '../wire/trust-bundle.ts'
import type { ServerAddress } from './address.ts'

const answerLimit = 256 * 1024

/** The bytes that whoever listens there gives for a trust bundle. Nothing of ours goes over this connection. */
const fetchUnverified = (server: ServerAddress, timeout: number, signal: AbortSignal): Promise<string> =>
  new Promise((resolve, reject) => {
    const sent = request(
      {
        host: server.host,
        port: server.port,
        method: 'GET',
        path: '/v1/trust-bundle',
        headers: { accept: 'application/json' },
        agent: new Agent({
          keepAlive: false,
          servername: isIP(server.host) ? '' : server.host,
          minVersion: 'TLSv1.3',
          ALPNProtocols: ['http/1.1'],
          // What is fetched is believed by its fingerprint alone.
          rejectUnauthorized: false,
        }),
        timeout,
        signal,
      },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (part: string) => {
          text += part
          if (text.length > answerLimit) response.destroy(new Error('the trust bundle is too large'))
        })
        response.on('error', reject)
        response.on('end', () =>
          response.statusCode === 200 ? resolve(text) : reject(new Error(`answered ${response.statusCode}`)),
        )
      },
    )
    const limit = setTimeout(() => sent.destroy(new Error('no answer in time')), timeout)
    sent.on('close', () => clearTimeout(limit))
    sent.on('timeout', () => sent.destroy(new Error('no answer in time')))
    sent.on('error', reject)
    sent.end()
  })

/** Why the first trust could not be found. */
export class FirstTrustProblem extends Error {
  readonly kind: 'unreachable' | 'mismatch'

  constructor(kind: 'unreachable' | 'mismatch', message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'FirstTrustProblem'
    this.kind = kind
  }
}

/**
 * The one root of a fingerprint, as PEM, out of the trust bundle that an unverified connection gives; every other root is
 * discarded. Throws FirstTrustProblem.
 */
export const fetchRootOf = async (
  fingerprint: string,
  server: ServerAddress,
  { timeout, signal }: { timeout: number; signal: AbortSignal },
): Promise<string> => {
  let text: string
  try {
    text = await fetchUnverified(server, timeout, signal)
  } catch (error) {
    if (signal.aborted) throw signal.reason
    throw new FirstTrustProblem('unreachable', `cannot get the trust bundle of ${server.url}`, error)
  }
  try {
    const { roots_pem } = JSON.parse(text) as Partial<TrustBundle>
    const root = readPem(roots_pem ?? '').find(
      ({ label, der }) => label === 'CERTIFICATE' && sha256Hex(der) === fingerprint,
    )
    if (root !== undefined) return certificatePem(root.der)
  } catch (error) {
    throw new FirstTrustProblem('mismatch', `what ${server.url} gives is no trust bundle`, error)
  }
  throw new FirstTrustProblem('mismatch', `no root of ${server.url} has the fingerprint sha256:${fingerprint}`)
}
