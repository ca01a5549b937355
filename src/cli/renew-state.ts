import { basename, dirname, join } from 'node:path'
import { exists, systemDisk } from '../client/files.ts'
import { type Identity, isAnswered, isIdentity } from '../client/identity.ts'
import { takeLock } from '../client/lock.ts'
import { documentOf } from '../client/refusal.ts'
import { type RotateDeps, resumeRotation, rotate } from '../client/rotate.ts'
import { fileNames, openStateDirectory } from '../client/state.ts'
import { type Exchange, makeTransport } from '../client/transport.ts'
import type { Certificate } from '../wire/certificates.ts'
import type { Whoami } from '../wire/whoami.ts'
import type { Connection } from './connection.ts'
import { configurationError } from './errors.ts'
import { refusalOf } from './failures.ts'
import { renewalDue } from './renewal.ts'
import type { Session } from './session.ts'
import { relativeTime } from './text.ts'

/** The state directory of an agent that the connection's certificate and key lie in; undefined when they lie elsewhere. */
export const stateDirectoryOf = async ({ client_cert, client_key }: Connection): Promise<string | undefined> => {
  const directory = dirname(client_cert)
  const ours = basename(client_cert) === fileNames.cert && client_key === join(directory, fileNames.key)
  return ours && (await exists(join(directory, fileNames.identity))) ? directory : undefined
}

/**
 * Renews the identity of a state directory as its agent would, and never while the agent does it itself: undefined when there
 * was nothing to do.
 */
export const renewStateDirectory = async (
  session: Session,
  { server, cacert }: Connection,
  directory: string,
  { ifNeeded, validity }: { ifNeeded: boolean; validity?: number },
): Promise<Certificate | undefined> => {
  const { io } = session
  const state = openStateDirectory(directory, systemDisk)
  const roots = (await systemDisk.read(cacert)) ?? ''
  const speakAs = async (identity: Identity, exchange: Exchange) => {
    const transport = makeTransport({
      server,
      ca: roots,
      cert: identity.chainPem,
      key: identity.keyPem,
      timeout: session.globals().timeout,
      signal: io.signal,
    })
    try {
      return await transport.exchange(exchange)
    } finally {
      transport.close()
    }
  }
  const { current, next } = await state.read()
  if (current === undefined) throw configurationError(`${directory} holds no identity`)
  const due = renewalDue(current.certificate)
  const unfinished = next !== undefined && (isIdentity(next) || !isAnswered(next, current))
  if (ifNeeded && !unfinished && io.now() < due) {
    await session.note(`Nothing to do: the certificate is renewed ${relativeTime(due, io.now())}.`)
    return undefined
  }
  const release = await takeLock(join(directory, fileNames.lock))
  try {
    const deps: RotateDeps = { state, speakAs, now: io.now }
    const finished = isIdentity(next) ? await resumeRotation(deps) : undefined
    const identity = finished ?? (await rotate(deps, current, validity)).identity
    const answer = await speakAs(identity, {
      method: 'GET',
      path: '/v1/whoami',
      headers: { accept: 'application/json', 'user-agent': 'airunner-cli' },
    })
    await session.note(
      finished === undefined
        ? `Renewed: identity.pem, cert.pem and key.pem in ${directory} are replaced.`
        : 'Finished a renewal that was left unfinished.',
    )
    return documentOf<Whoami>(answer).certificate
  } catch (error) {
    if (io.signal.aborted) throw io.signal.reason
    throw refusalOf(error, server)
  } finally {
    await release()
  }
}
