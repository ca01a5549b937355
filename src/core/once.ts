/**
 * A caller's wish that this effect happens once: where its answer is kept (`key`, a hash over caller, method, path and
 * Idempotency-Key), what was asked (`body_sha256`), and the HTTP status that goes with the answer.
 * `kept` turns true when a transaction has stored the answer together with the effect.
 */
export interface Once {
  key: string
  body_sha256: string
  status: number
  kept: boolean
  /** Until when the answer is given again, Unix milliseconds; absent: for 24 h. */
  keep_until?: number
}

/** Thrown when the effect had already happened: its stored answer is the answer of this request as well. */
export class AlreadyAnswered extends Error {
  readonly status: number
  readonly body: unknown

  constructor(status: number, body: unknown) {
    super('this request was answered before')
    this.name = 'AlreadyAnswered'
    this.status = status
    this.body = body
  }
}
