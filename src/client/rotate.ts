import { sha256Hex } from '../core/bytes.ts'
import type { IssuedCertificate, RenewCertificate } from '../wire/certificates.ts'
import type { Whoami } from '../wire/whoami.ts'
import {
  type Asked,
  askWithNewKey,
  type Identity,
  identityOfAnswer,
  isAnswered,
  isIdentity,
  nameOf,
} from './identity.ts'
import { documentOf, Refusal } from './refusal.ts'
import { usableRoots } from './roots.ts'
import type { StateDirectory } from './state.ts'
import type { Answer, Exchange } from './transport.ts'

/** Speaks to the server as somebody; throws TransportError. */
export type SpeakAs = (identity: Identity, exchange: Exchange) => Promise<Answer>

export interface RotateDeps {
  state: StateDirectory
  speakAs: SpeakAs
  now: () => number
  /** Told of each step once it is done, by its name. */
  onStep?: (step: RotateStep) => void
}

export type RotateStep = 'asked' | 'answered' | 'received' | 'used' | 'promoted' | 'published'

export interface Rotated {
  identity: Identity
  /** When the server wants it renewed, Unix milliseconds; unknown when an unfinished renewal was finished. */
  window?: { renew_after: number; renew_before: number }
}

const json = { accept: 'application/json', 'user-agent': 'airunner-agent' }

/** The request is the same whenever it is sent, and so is its Idempotency-Key: a lost answer is answered again. */
export const renewalOf = ({ csrPem }: Asked, validitySeconds?: number): Exchange => ({
  method: 'POST',
  path: '/v1/renewals',
  headers: { ...json, 'content-type': 'application/json', 'idempotency-key': sha256Hex(csrPem) },
  body: JSON.stringify({
    csr_pem: csrPem,
    ...(validitySeconds === undefined ? {} : { validity_seconds: validitySeconds }),
  } satisfies RenewCertificate),
})

/** The first use of a certificate: from now on it counts. Throws Refusal when it is not let in. */
const use = async (speakAs: SpeakAs, identity: Identity): Promise<void> => {
  documentOf<Whoami>(await speakAs(identity, { method: 'GET', path: '/v1/whoami', headers: json }))
}

/** Refusals that say the certificate itself is no good, whatever happens to its principal. */
const endsCertificate = (error: unknown): boolean =>
  error instanceof Refusal && /^certificate_(?!not_yet)/.test(error.code)

/** Refusals of the request for what it is: sent again it is refused again. */
const endsRequest = (error: unknown): boolean =>
  error instanceof Refusal &&
  ['csr_invalid', 'csr_key_rejected', 'key_already_registered', 'idempotency_key_reused', 'invalid_request'].includes(
    error.code,
  )

/** Roots that cannot be used never replace those that can. */
export const withUsableRoots = (identity: Identity, trusted: string, now: number): Identity => {
  const roots = usableRoots(identity.rootsPem, now)
  return { ...identity, rootsPem: 'pem' in roots ? roots.pem : trusted }
}

/** Steps 5 and 6, from wherever an earlier run had come. */
const finish = async ({ state, onStep }: RotateDeps, identity: Identity): Promise<Identity> => {
  await state.promote()
  onStep?.('promoted')
  await state.publish(identity)
  onStep?.('published')
  return identity
}

/**
 * Finishes a renewal whose certificate has come already; undefined when there is none, or none that is let in: then it is
 * forgotten and the identity in place counts. To be called before anything else is believed about that one, because the
 * first use of a successor ends its predecessor. Throws TransportError while nobody can say.
 */
export const resumeRotation = async (deps: RotateDeps): Promise<Identity | undefined> => {
  const { next } = await deps.state.read()
  if (!isIdentity(next)) return undefined
  try {
    await use(deps.speakAs, next)
  } catch (error) {
    if (!endsCertificate(error)) throw error
    await deps.state.drop()
    return undefined
  }
  deps.onStep?.('used')
  return finish(deps, next)
}

/**
 * Renews an identity with a new key. What a crash after each step leaves:
 *
 * 1. key and request in identity.next.pem     the next run sends the same request and gets the same certificate
 * 2. the server has issued                    the same
 * 3. key and certificate in identity.next.pem the next run begins with step 4
 * 4. used once: the old certificate ends with the server's grace   the next run finds it let in and goes on
 * 5. identity.next.pem is identity.pem        the next run writes the views
 * 6. cert.pem, key.pem, ca.pem
 *
 * Throws Refusal, TransportError, or FileProblem; after any of them the identity in place still counts.
 */
export const rotate = async (deps: RotateDeps, identity: Identity, validitySeconds?: number): Promise<Rotated> => {
  const { state, speakAs, now, onStep } = deps
  // 1. Nothing is sent before the key that belongs to it is safe.
  const { next } = await state.read()
  let asked: Asked
  // What joining left behind is no new key.
  if (next !== undefined && !isIdentity(next) && !isAnswered(next, identity)) asked = next
  else {
    asked = askWithNewKey(nameOf(identity).principalId || 'renewal')
    await state.ask(asked)
  }
  onStep?.('asked')
  // 2. Sent as the predecessor.
  let issued: IssuedCertificate
  try {
    issued = documentOf<IssuedCertificate>(await speakAs(identity, renewalOf(asked, validitySeconds)))
  } catch (error) {
    if (endsRequest(error)) await state.drop()
    throw error
  }
  onStep?.('answered')
  // 3. Refused when it is not for our key, before anything is replaced by it.
  const successor = withUsableRoots(identityOfAnswer(asked, issued), identity.rootsPem, now())
  await state.receive(successor)
  onStep?.('received')
  // 4. Proven by use: a certificate that is not let in never replaces one that is.
  try {
    await use(speakAs, successor)
  } catch (error) {
    if (!endsCertificate(error)) throw error
    await state.drop()
    // Said otherwise than a refusal of the one in place, which would be its end.
    throw new Error(`the new certificate is not let in: ${(error as Refusal).message}`, { cause: error })
  }
  onStep?.('used')
  await finish(deps, successor)
  return {
    identity: successor,
    window: { renew_after: Date.parse(issued.renew_after), renew_before: Date.parse(issued.renew_before) },
  }
}
