import type { Identity } from '../../test/support/client.ts'

/** One request: by which of the plan's identities, and its text as it goes over the wire. */
export interface Job {
  /** Index into the identities; one job of an identity runs at a time. */
  who: number
  request: string
}

/** What the load generator does in one go. */
export interface Plan {
  /** `host:port`. */
  address: string
  /** Root that the server's certificate must chain to, PEM. */
  ca: string
  /** Undefined: no client certificate. */
  identities: (Identity | undefined)[]
  jobs: Job[]
  /** `fresh`: a full handshake for each job. `kept`: one connection per identity, opened before the clock starts. */
  connections: 'fresh' | 'kept'
  /** Jobs under way at once, each the next as soon as one is answered: a closed loop. */
  inFlight: number
  /** The status that every answer must have. */
  expect: number
  /** Whether the bodies of the answers are wanted. */
  keepAnswers?: boolean
}

/** What came of a plan. */
export interface Load {
  /** From the first octet sent (or the connect, where connections are fresh) to the last octet of the answer; per job. */
  milliseconds: number[]
  /** From the first job to the last answer. */
  seconds: number
  /** CPU that the generator itself used meanwhile, milliseconds. */
  cpu: number
  /** Answers of 503 and 408 that were asked again. */
  retried: number
  /** Bodies in the order of the jobs; empty unless they were wanted. */
  answers: string[]
}

/** The text of a request without a body. */
export const getRequest = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`

/** The text of a request with a JSON body. */
export const postRequest = (path: string, body: unknown): string => {
  const text = JSON.stringify(body)
  return `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
}
