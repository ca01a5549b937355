import type { CertificateRecord } from '../../core/certificate.ts'
import { hour, minute, second } from '../../core/time.ts'
import { DerProblem } from '../../pki/der.ts'
import type { Issuer } from '../../pki/issuer.ts'
import { type CertId, readOcspRequest } from '../../pki/ocsp-request.ts'
import {
  failedResponse,
  makeMeans,
  type OcspFailure,
  type OcspStatus,
  type Responder,
  type SingleAnswer,
  signedResponse,
} from '../../pki/ocsp-response.ts'
import { makeKeptAnswers } from './kept-answers.ts'
import type { Known } from './revocation-status.ts'

export type OcspOutcome = OcspStatus['status'] | OcspFailure

/** An OCSPResponse, DER. */
export interface OcspAnswer {
  der: Buffer
  /** Of a signed one, Unix milliseconds: since when and until when it is good, and how long others may hand it on. */
  times?: { this_update: number; next_update: number; fresh_until: number }
}

export interface AnswerOcspDeps {
  /** False while it is not known whether the tables are those of before: they may have forgotten revocations. */
  isOpen: () => boolean
  /** Those that are answered for: known, and not removed. */
  issuers: () => Issuer[]
  responderOf: (issuer: Issuer) => Promise<Responder>
  /** Strongly consistent, by serial number, never through an index; rejects when the store does not answer. */
  readRows: (serialNumbers: string[]) => Promise<CertificateRecord[]>
  statusOf: (row: CertificateRecord | undefined, issuerId: string, now: number) => Promise<Known>
  /** Takes one of what is worked out per second; false: no more of it now. */
  mayWork: () => boolean
  clock: () => number
  onAnswered: (outcome: OcspOutcome) => void
  /** A fault of ours; nobody outside hears of it. */
  onFault: (error: unknown) => void
}

/** What a relying party may go on; it asks again afterwards. Milliseconds. */
const life = hour
/** What caches between us and them may hand on. Milliseconds. */
const freshness = 5 * minute
/** What this process keeps, unless the feed speaks first: a row changed by hand is seen by then. Milliseconds. */
const kept = minute

/** Ends the work on a request that gets no answer about any certificate. */
class Unanswered extends Error {
  readonly failure: OcspFailure
  constructor(failure: OcspFailure) {
    super(failure)
    this.failure = failure
  }
}
const fail = (failure: OcspFailure): never => {
  throw new Unanswered(failure)
}
const failureOf = (error: unknown): OcspFailure => {
  if (error instanceof DerProblem) return 'malformed_request'
  return error instanceof Unanswered ? error.failure : 'internal_error'
}

const wholeSeconds = (at: number): number => Math.floor(at / second) * second

/**
 * Answers an OCSP request. Never rejects, and never says good of what it could not read: a store or an issuer's key that
 * does not answer is try_later. What is kept costs nothing; the rest is limited, for it reads the store and signs.
 * @see RFC 6960 §2, RFC 5019
 */
export const makeAnswerOcsp = (deps: AnswerOcspDeps) => {
  const { isOpen, issuers, responderOf, readRows, statusOf, mayWork, clock, onAnswered, onFault } = deps
  const answers = makeKeptAnswers<{ answer: OcspAnswer; outcome: OcspOutcome }>(clock)
  const means = new WeakMap<Issuer, ReturnType<typeof makeMeans>>()

  /** All of one: its responder may speak for no other. */
  const issuerOf = (ids: CertId[]): Issuer => {
    for (const issuer of issuers()) {
      const meant = means.get(issuer) ?? makeMeans(issuer)
      means.set(issuer, meant)
      if (ids.every(meant)) return issuer
    }
    return fail('unauthorized')
  }

  const statusesOf = async (ids: CertId[], issuer: Issuer, now: number): Promise<Known[]> => {
    const serials = [...new Set(ids.map((id) => id.serial_number).filter((serial) => serial !== undefined))]
    const rows = new Map((await readRows(serials)).map((row) => [row.serial_number, row]))
    return Promise.all(ids.map(({ serial_number }) => statusOf(rows.get(serial_number ?? ''), issuer.issuer_id, now)))
  }

  const answer = async (request: Buffer): Promise<OcspAnswer> => {
    // 1. What is asked, and of whom. CPU only.
    const ids = readOcspRequest(request)
    const issuer = issuerOf(ids)
    if (!isOpen()) fail('try_later')
    const only = ids.length === 1 ? ids[0] : undefined
    const asked = `${issuer.issuer_id} ${only?.der.toString('latin1')}`
    const found = only?.serial_number === undefined ? undefined : answers.get(only.serial_number, asked)
    if (found !== undefined) {
      onAnswered(found.outcome)
      return found.answer
    }
    // 2. Whoever signs, then the rows: as they are from here on, or newer.
    if (!ids.every(mayWork)) fail('try_later')
    const since = answers.epoch()
    const now = clock()
    const responder = await responderOf(issuer).catch(() => fail('try_later'))
    const statuses = await statusesOf(ids, issuer, now).catch(() => fail('try_later'))
    // 3. The answer.
    const this_update = wholeSeconds(now)
    const singles = ids.map((id, index): SingleAnswer => {
      const status = statuses[index] as Known
      const next_update = Math.min(this_update + life, responder.not_after, status.until ?? Number.POSITIVE_INFINITY)
      return { id, status, this_update, next_update }
    })
    const der = await signedResponse(singles, responder, clock())
    const next_update = wholeSeconds(Math.min(...singles.map((single) => single.next_update)))
    const fresh_until = Math.min(this_update + freshness, next_update)
    const made = { der, times: { this_update, next_update, fresh_until } }
    for (const { status } of statuses) onAnswered(status)
    // 4. Kept, unless it changes by itself or nobody has such a certificate: guesses must not push out what is asked for.
    const [known] = statuses as [Known]
    if (only?.serial_number !== undefined && known.status !== 'unknown' && known.until === undefined)
      answers.keep(
        only.serial_number,
        asked,
        { answer: made, outcome: known.status },
        Math.min(now + kept, fresh_until),
        since,
      )
    return made
  }

  return {
    answer: (request: Buffer): Promise<OcspAnswer> =>
      answer(request).catch((error: unknown) => {
        const failure = failureOf(error)
        if (failure === 'internal_error') onFault(error)
        onAnswered(failure)
        return { der: failedResponse(failure) }
      }),
    /** A certificate's rights have changed. */
    drop: answers.drop,
    /** Nobody knows what has changed. */
    dropAll: answers.dropAll,
  }
}
export type AnswerOcsp = ReturnType<typeof makeAnswerOcsp>
