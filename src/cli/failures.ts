import type { ServerAddress } from '../client/address.ts'
import { Refusal } from '../client/refusal.ts'
import { TransportError } from '../client/transport.ts'
import { asCliError, CliError, errorOfProblem, exitCode } from './errors.ts'

const doctor = '`airunner doctor` checks the whole way.'

const unreachableWhy: Record<string, string> = {
  ENOTFOUND: 'The name has no address.',
  EAI_AGAIN: 'The name service does not answer.',
  ECONNREFUSED: 'Nothing listens on that port.',
  EHOSTUNREACH: 'There is no route to the host.',
  ENETUNREACH: 'There is no route to the network.',
  ETIMEDOUT: 'No connection could be made in time.',
}

const untrustedWhy: Record<string, string> = {
  CERT_HAS_EXPIRED: 'The server certificate is expired.',
  CERT_NOT_YET_VALID: 'The server certificate is not yet valid; the clock of this machine may be wrong.',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'The server certificate signs itself and is not in the trust bundle.',
  SELF_SIGNED_CERT_IN_CHAIN: 'The server certificate leads to a root that is not in the trust bundle.',
  UNABLE_TO_GET_ISSUER_CERT: 'The server certificate does not lead to a root in the trust bundle.',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'The server certificate does not lead to a root in the trust bundle.',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'The server certificate does not lead to a root in the trust bundle.',
  CERT_SIGNATURE_FAILURE: 'A signature in the chain of the server certificate is wrong.',
  INVALID_PURPOSE: 'The certificate of the server is not one for servers.',
  UNSUPPORTED_CERTIFICATE_PURPOSE: 'The certificate of the server is not one for servers.',
  ERR_TLS_CERT_ALTNAME_INVALID: 'The server certificate is for another name.',
}

/** What is wrong with a server certificate, in words, by the code of Node or OpenSSL. */
export const explainUntrusted = (code: string): string => untrustedWhy[code] ?? `OpenSSL says ${code}.`

/** What an alert or garbage in the handshake means, in words. */
export const explainRefused = (code: string): string => {
  if (/CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE/.test(code))
    return 'The server demands a client certificate that it knows.'
  if (/UNKNOWN_CA|BAD_CERTIFICATE|DECRYPT_ERROR/.test(code))
    return 'No issuer that the server knows signed the client certificate.'
  if (/CERTIFICATE_EXPIRED/.test(code)) return 'The client certificate is expired.'
  if (/PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL/.test(code)) return 'The server does not speak TLS 1.3.'
  if (/WRONG_VERSION_NUMBER|HTTP_REQUEST|PACKET_LENGTH|RECORD/.test(code))
    return 'What listens there does not speak TLS.'
  return `OpenSSL says ${code}.`
}

/** Why a connection ends right behind the handshake: the contract of the mTLS listener. */
export const cutWhy =
  'It hangs up without a word on a client certificate that none of its issuers signed, and while it stops.'

/** The error of an exchange that brought no answer. */
export const errorOfTransport = (error: TransportError, server: ServerAddress): CliError => {
  const at = `${server.host}:${server.port}`
  const unknown = error.sent ? ' Whether the request took effect is not known.' : ''
  switch (error.failure) {
    case 'unreachable':
      return new CliError(exitCode.unreachable, `cannot reach ${at}`, {
        why: unreachableWhy[error.code] ?? `The system says ${error.code}.`,
        next: doctor,
        cause: error,
      })
    case 'timed_out':
      return new CliError(exitCode.unreachable, `no answer from ${at} in time`, {
        code: 'timed_out',
        why: `The connection was made, but the answer did not come.${unknown}`,
        next: `Try again, with a larger --timeout if need be; ${doctor}`,
        cause: error,
      })
    case 'lost':
      return new CliError(exitCode.unreachable, `the connection to ${at} was lost`, {
        why: `The system says ${error.code}.${unknown}`,
        next: `Try again; ${doctor}`,
        cause: error,
      })
    case 'untrusted':
      return new CliError(exitCode.notLetIn, `${at} could not prove that it is the server`, {
        why:
          error.code === 'ERR_TLS_CERT_ALTNAME_INVALID'
            ? `${explainUntrusted(error.code)} ${altNamesOf(error)}`
            : explainUntrusted(error.code),
        next: `Check --server and --cacert; ${doctor}`,
        cause: error,
      })
    case 'refused':
      return new CliError(exitCode.notLetIn, `the TLS handshake with ${at} failed`, {
        why: explainRefused(error.code),
        next: doctor,
        cause: error,
      })
    case 'cut':
      return new CliError(exitCode.notLetIn, `${at} ended the connection without an answer`, {
        why: cutWhy,
        next: `Check --client-cert; ${doctor}`,
        cause: error,
      })
    case 'stopped':
      return new CliError(exitCode.interrupted, 'stopped', unknown === '' ? {} : { why: unknown.trim() })
  }
}

/** A failure of the client room as the refusal of a command; what nobody foresaw stays as it is. */
export const refusalOf = (error: unknown, server: ServerAddress): unknown => {
  if (error instanceof Refusal) return errorOfProblem(error.problem)
  if (error instanceof TransportError) return errorOfTransport(error, server)
  return asCliError(error) ?? error
}

const altNamesOf = (error: TransportError): string => {
  const names = /is not in the cert's altnames: (.*)$/.exec(error.message)?.[1]
  return names === undefined ? '' : `It names ${names}.`
}
