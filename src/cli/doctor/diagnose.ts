import { problemOfAnswer } from '../../client/problem.ts'
import type { Whoami } from '../../wire/whoami.ts'
import { planeOver } from '../ca/plane.ts'
import { type Client, makeClient } from '../client.ts'
import { type Connection, type ConnectionSettings, completeConnection } from '../connection.ts'
import { type Identity, readTrustBundle } from '../credentials.ts'
import { asCliError, CliError, errorOfProblem, exitCode } from '../errors.ts'
import type { Session } from '../session.ts'
import { checkAuthorities } from './authorities.ts'
import { type Check, failOf, ok, skip } from './check.ts'
import { checkCertificate, checkKey, checkRenewal } from './own.ts'
import { checkClock, checkName, checkServer, checkTcp } from './way.ts'

/** Says each check as soon as it is known. */
export type Tell = (check: Check) => Promise<void>

const sourcesOf = (settings: ConnectionSettings): string =>
  [...new Set(Object.values(settings).map(({ source }) => source))].join(', ')

/** Checks the whole way from the configuration to the server's verdict; later checks are skipped where an earlier one stands in their way. */
export const diagnose = async (session: Session, tell: Tell): Promise<Check[]> => {
  const checks: Check[] = []
  const say = async (check: Check): Promise<boolean> => {
    checks.push(check)
    await tell(check)
    return check.result === 'ok' || check.result === 'warn'
  }

  let connection: Connection
  let bundle: Awaited<ReturnType<typeof readTrustBundle>>
  try {
    const settings = await session.settings()
    connection = completeConnection(settings)
    bundle = await readTrustBundle(connection.cacert)
    await say(ok('configuration', `${connection.server.url}, by ${sourcesOf(settings)}`))
  } catch (error) {
    await say(failOf('configuration', error))
    return checks
  }

  const { server } = connection
  const now = session.io.now()
  const reached =
    (await say(await checkName(server))) &&
    (await say(await checkTcp(server))) &&
    (await say(await checkServer(server, bundle.pem, now)))

  const { check: keyCheck, identity } = await checkKey(connection)
  const keyFits = await say(keyCheck)
  if (identity !== undefined) await say(checkCertificate(identity, bundle.roots, now))
  if (reached && keyFits && identity !== undefined) await admissionChecks(session, connection, identity, say)
  else await say(skip('admission', reached ? 'there is no key to connect with' : 'the server cannot be reached safely'))
  await say(checkRenewal(identity, now))
  return checks
}

/** What the server says of us: the clocks, whether it lets us in, and what we may do. */
const admissionChecks = async (
  session: Session,
  connection: Connection,
  identity: Identity,
  say: (check: Check) => Promise<boolean>,
): Promise<void> => {
  let client: Client | undefined
  try {
    const { timeout } = session.globals()
    client = await makeClient({ connection, io: session.io, timeout, note: session.note, identity })
    const before = session.io.now()
    const answer = await client.call({ method: 'GET', path: '/v1/whoami' })
    await say(checkClock(answer.headers.date, before, session.io.now()))
    if (answer.status !== 200) throw errorOfProblem(problemOfAnswer(answer))
    const { principal, permissions } = JSON.parse(answer.body.toString('utf8')) as Whoami
    await say(ok('admission', `let in as ${principal.type} ${principal.principal_id}`))
    await say(ok('permissions', permissions.join(', ')))
    if (permissions.includes('authorities:read'))
      await say(checkAuthorities(await planeOver(client).list(), session.io.now()))
  } catch (error) {
    if (session.io.signal.aborted) throw session.io.signal.reason
    const foreseen =
      asCliError(error) ?? new CliError(exitCode.failed, 'the answer is not one of a control plane', { cause: error })
    await say(failOf('admission', foreseen))
  } finally {
    client?.close()
  }
}
