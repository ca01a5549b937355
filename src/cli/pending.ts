import { randomUUID } from 'node:crypto'
import { join, parse } from 'node:path'
import { fileMode, readTextIfThere, removeFile, writeFileAtomic } from '../client/files.ts'
import { hour } from '../core/time.ts'

/**
 * A request for a certificate that may have been answered without our knowing. It is on disk, with its key beside it,
 * before it is sent: sent again, byte for byte and with the same Idempotency-Key, it gives the same certificate.
 */
export interface PendingRequest {
  idempotency_key: string
  path: string
  body: string
  /** Unix milliseconds. */
  created_at: number
}

/** Answers are kept for 24 h by the server; an older request would be a new one. Milliseconds. */
export const answerLife = 23 * hour

/** The name under which the successor of a file waits: `key.pem` → `key.next.pem`. */
export const nextName = (path: string): string => {
  const { dir, name, ext } = parse(path)
  return join(dir, `${name}.next${ext}`)
}

/** Where the request for the key at `keyPath` is kept. */
export const requestName = (keyPath: string): string => `${nextName(keyPath)}.request.json`

export interface Pending {
  keyPem: string
  request: PendingRequest
  /** It was sent before, and may have been answered. */
  resumed?: true
}

/** What was stored of a request; undefined when it is not one. */
export const readRequest = (text: string): PendingRequest | undefined => {
  try {
    const value = JSON.parse(text) as Partial<PendingRequest>
    const complete =
      typeof value.idempotency_key === 'string' &&
      typeof value.path === 'string' &&
      typeof value.body === 'string' &&
      typeof value.created_at === 'number'
    return complete ? (value as PendingRequest) : undefined
  } catch {
    return undefined
  }
}

/**
 * The unfinished request beside `keyPath`, when it is young enough to be answered as it was. Its key may have its final
 * name already: the request is forgotten last.
 */
export const findPending = async (keyPath: string, now: number): Promise<Pending | undefined> => {
  const text = await readTextIfThere(requestName(keyPath))
  const request = text === undefined ? undefined : readRequest(text)
  if (request === undefined || now - request.created_at >= answerLife) return undefined
  const keyPem = (await readTextIfThere(nextName(keyPath))) ?? (await readTextIfThere(keyPath))
  return keyPem === undefined ? undefined : { keyPem, request, resumed: true }
}

/** Puts key and request on disk before anything is sent. */
export const storePending = async (
  keyPath: string,
  keyPem: string,
  path: string,
  body: object,
  now: number,
): Promise<Pending> => {
  const request = { idempotency_key: randomUUID(), path, body: JSON.stringify(body), created_at: now }
  await writeFileAtomic(nextName(keyPath), keyPem, fileMode.secret)
  await writeFileAtomic(requestName(keyPath), `${JSON.stringify(request)}\n`, fileMode.secret)
  return { keyPem, request }
}

/** Forgets the request, and the key that waits with it. */
export const dropPending = async (keyPath: string): Promise<void> => {
  await removeFile(requestName(keyPath))
  await removeFile(nextName(keyPath))
}
