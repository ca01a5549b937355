import { second } from '../core/time.ts'
import type { Enroll, Enrollment } from '../wire/enrollments.ts'
import type { ServerAddress } from './address.ts'
import { fullJitter } from './backoff.ts'
import { fetchRootOf } from './first-trust.ts'
import { askWithNewKey, type Identity, identityOfAnswer, isIdentity } from './identity.ts'
import { type ProofSource, proveWith } from './proof.ts'
import { documentOf, Refusal } from './refusal.ts'
import { withUsableRoots } from './rotate.ts'
import type { StateDirectory } from './state.ts'
import { type Answer, type Exchange, makeTransport, type Transport, TransportError } from './transport.ts'

/** By what the enrolment listener is believed: roots, or the fingerprint of the one that its bundle must hold. */
export type FirstTrust = { rootsPem: string } | { fingerprint: string }

export interface JoinDeps {
  state: StateDirectory
  /** The enrolment listener. */
  server: ServerAddress
  trust: FirstTrust
  proof: ProofSource
  principalId?: string
  metadata?: Record<string, string>
  now: () => number
  random: () => number
  sleep: (milliseconds: number) => Promise<void>
  /** Milliseconds for a connection, and then for an answer. */
  timeout: number
  signal: AbortSignal
  onStep?: (step: 'asked' | 'answered' | 'placed' | 'published') => void
}

export interface Joined {
  enrollment: Enrollment
  identity: Identity
}

const maxTries = 4

/** True when sending the same again is worth while: whatever the first had done, the answer is the same. */
const isPassing = (failure: unknown): boolean =>
  failure instanceof TransportError
    ? ['cut', 'lost', 'timed_out'].includes(failure.failure) && failure.sent
    : failure instanceof Refusal && failure.problem.status >= 500

/** Sends the same bytes until they are answered. */
const sendUntilAnswered = async (deps: JoinDeps, transport: Transport, exchange: Exchange): Promise<Enrollment> => {
  let lost: TransportError | undefined
  for (let tries = 1; ; tries++) {
    try {
      const answer: Answer = await transport.exchange(exchange)
      return documentOf<Enrollment>(answer)
    } catch (error) {
      // What may have been done is what the caller has to know, whatever came of asking again.
      if (error instanceof TransportError && error.sent) lost ??= error
      const passing =
        isPassing(error) || (lost !== undefined && error instanceof TransportError && !deps.signal.aborted)
      if (tries === maxTries || !passing) throw error instanceof TransportError ? (lost ?? error) : error
      const asked = error instanceof Refusal ? (error.retryAfter ?? 0) : 0
      if (asked > 10 * second) throw error
      await deps.sleep(asked + fullJitter(tries, 500, 4 * second, deps.random))
    }
  }
}

/** The server says nothing of a signature that was made for another name of the plane; its certificate may. */
const doubtOf = (host: string, names: string[]): string | undefined =>
  names.length === 0 || (names.length === 1 && names[0] === host)
    ? undefined
    : `The signature is for a plane of the name ${host}, and the certificate of the server names ${names.join(', ')}: if the plane was started with another --hostname, join by that name.`

const rootsOf = async ({ trust, server, timeout, signal }: JoinDeps): Promise<string> =>
  'rootsPem' in trust ? trust.rootsPem : fetchRootOf(trust.fingerprint, server, { timeout, signal })

/**
 * Becomes a principal: makes a key, proves who the machine is, and puts the first identity in place, or another one in the
 * place of one that ended. What a crash after each step leaves:
 *
 * 1. key and request in identity.next.pem     the next run sends the same request with the same proof
 * 2. the server has issued                    the same, and it gets the same certificate
 * 3. identity.pem                             the same; an agent goes on with it
 * 4. cert.pem, key.pem, ca.pem                the same
 * 5. identity.next.pem is gone
 *
 * Throws FirstTrustProblem, Refusal, TransportError, FileProblem.
 */
export const join = async (deps: JoinDeps): Promise<Joined> => {
  const { state, proof, server, now, onStep } = deps
  const rootsPem = await rootsOf(deps)
  // 1. Nothing is sent before the key that belongs to it is safe.
  const { next } = await state.read()
  const fresh = next === undefined || isIdentity(next)
  const asked = fresh ? askWithNewKey(deps.principalId ?? 'enrollment') : next
  if (fresh) await state.ask(asked)
  onStep?.('asked')
  // 2. Only a verified connection carries the proof.
  const body = {
    ...(await proveWith(proof, asked.csrPem, server.host, now)),
    csr_pem: asked.csrPem,
    ...(deps.principalId === undefined ? {} : { principal_id: deps.principalId }),
    ...(deps.metadata === undefined ? {} : { metadata: deps.metadata }),
  } as Enroll
  const { timeout, signal } = deps
  const transport = makeTransport({ server, ca: rootsPem, timeout, signal })
  let enrollment: Enrollment
  try {
    enrollment = await sendUntilAnswered(deps, transport, {
      method: 'POST',
      path: '/v1/enrollments',
      headers: { accept: 'application/json', 'content-type': 'application/json', 'user-agent': 'airunner-agent' },
      body: JSON.stringify(body),
    })
  } catch (error) {
    if (error instanceof Refusal && error.code === 'join_refused' && proof.method === 'aws_iam')
      error.hint = doubtOf(server.host, transport.peerNames())
    // A request that is refused for what it is would be refused again.
    if (error instanceof Refusal && ['csr_invalid', 'csr_key_rejected', 'key_already_registered'].includes(error.code))
      await state.drop()
    throw error
  } finally {
    transport.close()
  }
  onStep?.('answered')
  // 3. Refused when it is not for our key.
  const identity = withUsableRoots(identityOfAnswer(asked, enrollment), rootsPem, now())
  await state.replace(identity)
  onStep?.('placed')
  // 4. What was there has ended, or there was nothing.
  await state.publish(identity)
  onStep?.('published')
  // 5. Forgotten last: as long as it is there, the whole can be asked for again.
  await state.drop()
  return { enrollment, identity }
}
