import type { X509Certificate } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { connect, isIP } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ServerAddress } from '../../client/address.ts'
import { networkCode } from '../../client/network-code.ts'
import { day, second } from '../../core/time.ts'
import { exitCode } from '../errors.ts'
import { explainRefused, explainUntrusted } from '../failures.ts'
import { briefDuration, relativeTime } from '../text.ts'
import { type Check, fail, ok, warn } from './check.ts'

/** The way to the server, one layer after the other; none of these sends a client certificate. */

const limit = 5 * second
/** A server certificate that ends sooner is not being renewed as it should. */
const serverExpiryWarning = day

/** Does the name have an address? */
export const checkName = async (server: ServerAddress): Promise<Check> => {
  const check = 'name resolution'
  if (isIP(server.host)) return ok(check, `${server.host} is an address; nothing to resolve`)
  try {
    const addresses = await lookup(server.host, { all: true })
    return ok(check, `${server.host} is ${addresses.map(({ address }) => address).join(', ')}`)
  } catch (error) {
    const code = networkCode(error)
    return fail(
      check,
      exitCode.unreachable,
      code === 'ENOTFOUND' ? `${server.host} has no address` : `the name service does not answer (${code})`,
      'Check the name in --server, and the name service of this machine.',
    )
  }
}

/** Does something listen? */
export const checkTcp = (server: ServerAddress): Promise<Check> =>
  new Promise((resolve) => {
    const check = 'TCP connection'
    const at = `${server.host}:${server.port}`
    const started = performance.now()
    const socket = connect({ host: server.host, port: server.port, timeout: limit })
    const done = (result: Check) => {
      socket.destroy()
      resolve(result)
    }
    socket.once('connect', () => done(ok(check, `${at} accepts after ${Math.round(performance.now() - started)} ms`)))
    socket.once('timeout', () =>
      done(
        fail(
          check,
          exitCode.unreachable,
          `${at} does not answer within ${limit / second} s`,
          'A firewall or security group may drop it.',
        ),
      ),
    )
    socket.once('error', (error) =>
      done(
        fail(
          check,
          exitCode.unreachable,
          networkCode(error) === 'ECONNREFUSED'
            ? `nothing listens on ${at}`
            : `${at} cannot be reached (${networkCode(error)})`,
          'Check that the server runs, and the port in --server.',
        ),
      ),
    )
  })

const names = (certificate: X509Certificate | undefined): string =>
  certificate?.subjectAltName?.replaceAll('DNS:', '').replaceAll('IP Address:', '') ?? 'no name'

/** Does the server prove to be who it should be, by the bundle and by its name? */
export const checkServer = (server: ServerAddress, bundle: string, now: number): Promise<Check> =>
  new Promise((resolve) => {
    const check = 'server certificate'
    const socket = connectTls({
      host: server.host,
      port: server.port,
      servername: isIP(server.host) ? '' : server.host,
      ca: bundle,
      minVersion: 'TLSv1.3',
      // Looked at below, so that all of it can be told: nothing is sent over this connection.
      rejectUnauthorized: false,
      timeout: limit,
    })
    const done = (result: Check) => {
      socket.destroy()
      resolve(result)
    }
    socket.once('timeout', () => done(fail(check, exitCode.unreachable, 'no TLS handshake in time', 'Try again.')))
    socket.once('error', (error) => {
      const code = networkCode(error)
      const lost = code === 'ECONNRESET'
      done(
        fail(
          check,
          lost ? exitCode.unreachable : exitCode.notLetIn,
          lost ? 'the connection ended during the handshake' : `the TLS handshake failed: ${explainRefused(code)}`,
          'Check the port in --server: it must be the mTLS listener.',
        ),
      )
    })
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate()
      const code = socket.authorized ? undefined : String(socket.authorizationError)
      if (code !== undefined) {
        const named = code === 'ERR_TLS_CERT_ALTNAME_INVALID'
        const why = named ? `it is for ${names(certificate)}, not for ${server.host}` : explainUntrusted(code)
        return done(
          fail(
            check,
            exitCode.notLetIn,
            `not to be trusted: ${why}`,
            named
              ? 'Use one of its names in --server.'
              : 'Check --cacert: get the trust bundle anew from whoever runs the server.',
          ),
        )
      }
      const expires = Date.parse(certificate?.validTo ?? '')
      const detail = `${names(certificate)}, leads to the trust bundle, expires ${relativeTime(expires, now)}`
      done(
        expires - now < serverExpiryWarning
          ? warn(check, detail, 'Whoever runs the server should see why it was not renewed.')
          : ok(check, detail),
      )
    })
  })

/** Beyond this a fresh certificate may not be valid yet for one of us: servers backdate by 60 s. */
const clockFailure = 60 * second
const clockWarning = 3 * second

/** The clocks, by the Date header of an answer, which is cut to the second. */
export const checkClock = (date: string | undefined, before: number, after: number): Check => {
  const check = 'clock'
  const theirs = Date.parse(date ?? '')
  if (Number.isNaN(theirs)) return warn(check, 'the answer has no date to compare with', 'A proxy may have removed it.')
  const early = before - (theirs + second)
  const late = theirs - after
  const difference = Math.max(early, late, 0)
  if (difference < clockWarning) return ok(check, 'within 3 s of the server')
  const detail = `${briefDuration(difference)} ${early > late ? 'ahead of' : 'behind'} the server`
  const next = 'Set the clock of this machine, e.g. with an NTP service.'
  return difference < clockFailure ? warn(check, detail, next) : fail(check, exitCode.failed, detail, next)
}
