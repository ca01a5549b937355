import { isIP } from 'node:net'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import type { ServerAddress } from '../client/address.ts'
import { readText } from '../client/files.ts'
import { FirstTrustProblem } from '../client/first-trust.ts'
import type { FirstTrust } from '../client/join.ts'
import { checkSecret, type ProofSource, readSecret } from '../client/proof.ts'
import { Refusal } from '../client/refusal.ts'
import { TransportError } from '../client/transport.ts'
import type { ConnectionSettings } from './connection.ts'
import { readCertificates } from './credentials.ts'
import { CliError, configurationError, exitCode, usageError } from './errors.ts'
import { refusalOf } from './failures.ts'
import type { JoinFlags } from './join-options.ts'
import type { Session } from './session.ts'

/** What `enroll` and `agent run` have in common: how a machine proves who it is, and by what it believes the server. */

/** The one way to join that the flags name; undefined when they name none. */
export const proofOf = (session: Session, { tokenFile, awsIam, oidcTokenFile }: JoinFlags): ProofSource | undefined => {
  const given = [tokenFile, awsIam, oidcTokenFile].filter((flag) => flag !== undefined).length
  if (given > 1)
    throw usageError('there are several ways to join', 'Give one of --token-file, --aws-iam, --oidc-token-file.')
  if (awsIam === true) return { method: 'aws_iam' }
  if (oidcTokenFile !== undefined) return { method: 'oidc', read: () => readSecret(resolve(oidcTokenFile), 'id token') }
  if (tokenFile === '-') {
    let text: Promise<string> | undefined
    return { method: 'token', read: () => (text ??= readAll(session)) }
  }
  if (tokenFile !== undefined) return { method: 'token', read: () => readSecret(resolve(tokenFile), 'join token') }
  return undefined
}

const readAll = async ({ io }: Session): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of io.stdin) chunks.push(Buffer.from(chunk))
  return checkSecret(Buffer.concat(chunks).toString('utf8').trim(), 'the join token on stdin')
}

/** A signature names the plane that it is for; an address is no name that a plane can have. Throws CliError. */
export const demandPlaneName = (proof: ProofSource | undefined, server: ServerAddress): void => {
  if (proof?.method === 'aws_iam' && isIP(server.host) !== 0)
    throw configurationError('with --aws-iam the enrolment listener must be given by name', {
      why: `The name of the plane is part of what is signed, and ${server.host} is an address.`,
      next: 'Give the name that rpc-server was started with as --hostname: https://NAME:PORT.',
    })
}

/** By what the flags say that the server is believed; undefined when they do not. */
export const trustOf = async (
  settings: ConnectionSettings,
  { caFingerprint }: JoinFlags,
): Promise<FirstTrust | undefined> => {
  const { cacert } = settings
  if (caFingerprint !== undefined) {
    if (cacert?.source === '--cacert')
      throw usageError('--cacert and --ca-fingerprint say the same', 'Give one of them.')
    return { fingerprint: caFingerprint }
  }
  if (cacert === undefined) return undefined
  const rootsPem = await readText(resolve(cacert.value), 'trust bundle')
  if (readCertificates(rootsPem, cacert.value).length === 0)
    throw configurationError(`the trust bundle ${cacert.value} holds no certificate`)
  return { rootsPem }
}

/** Where an agent keeps its identity when nobody says otherwise. @see XDG Base Directory Specification */
export const defaultStateDirectory = (env: Record<string, string | undefined>): string => {
  if (env['AIRUNNER_STATE_DIR']) return resolve(env['AIRUNNER_STATE_DIR'])
  // systemd names it, or several.
  const [given] = (env['STATE_DIRECTORY'] ?? '').split(':')
  if (given) return given
  if (process.getuid?.() === 0) return '/var/lib/airunner'
  return join(env['XDG_STATE_HOME'] || join(env['HOME'] || homedir(), '.local', 'state'), 'airunner')
}

/** A failure to join as the refusal of a command. */
export const joinRefusal = (error: unknown, server: ServerAddress): unknown => {
  const refusal = refusalOf(error, server)
  if (error instanceof Refusal && error.hint !== undefined && refusal instanceof CliError)
    return new CliError(refusal.exitCode, refusal.message, {
      code: 'join_refused',
      why: error.hint,
      problem: error.problem,
      ...(refusal.next === undefined ? {} : { next: refusal.next }),
      cause: error,
    })
  if (error instanceof TransportError && error.failure === 'cut' && refusal instanceof CliError)
    return new CliError(refusal.exitCode, refusal.message, {
      why: 'So does the mTLS listener with a client that has no certificate, and a server that stops.',
      next: 'Give the enrolment listener as --server; its port is 8444 where nobody changed it.',
      cause: error,
    })
  if (error instanceof FirstTrustProblem)
    return error.kind === 'unreachable'
      ? new CliError(exitCode.unreachable, error.message, {
          why: error.cause instanceof Error ? `The system says: ${error.cause.message}.` : 'It did not answer.',
          next: 'Check --server: it must be the enrolment listener.',
          cause: error,
        })
      : new CliError(exitCode.notLetIn, error.message, {
          why: 'Another server answers there, or the root was replaced. Nothing was sent to it.',
          next: 'Ask whoever runs the server for the fingerprint of its root: `openssl x509 -in ca-cert.pem -noout -fingerprint -sha256`.',
          cause: error,
        })
  return refusal
}
