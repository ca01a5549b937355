import { createHash, type KeyObject, verify } from 'node:crypto'
import { sha256Hex } from './bytes.ts'
import { canonicalJson } from './canonical.ts'

/** First line of an export. */
export const exportFormat = 'airunner-audit/1'
/** What the first event of a chain, and the first checkpoint, follow. */
export const noHash = '0'.repeat(64)
/** How long events, links and checkpoints are kept, days. */
export const auditDaysKept = 400

/** An event as the API and an export show it. Times are RFC 3339 in UTC with milliseconds. */
export interface PlainEvent {
  event_id: string
  at: string
  actor: string
  action: string
  target: string
  outcome: string
  code?: string
  request_id: string
  remote_address: string
  before?: Record<string, unknown>
  after?: Record<string, unknown>
}

/** Where an event stands: its chain, its number in it from 1 on, and the hash of the one before. */
export interface Place {
  chain: string
  seq: number
  prev_hash: string
}

export type ChainedEvent = PlainEvent & Place & { hash: string }

/** Of a link whose event is in the table no more. */
export type MissingEvent = Place & { event_id: string; hash: string }

/** The end of a chain at the time of a checkpoint. */
export interface Head {
  chain: string
  seq: number
  hash: string
  /** When the last link was made. */
  at: string
  /** Nothing follows any more. */
  closed?: true
}

export interface CheckpointBody {
  /** From 1 on. */
  n: number
  at: string
  /** Of the checkpoint before. */
  prev_hash: string
  /** Every chain that is open, and those closed since the checkpoint before; by name. */
  heads: Head[]
  /** SubjectPublicKeyInfo of the audit key, DER in base64. */
  public_key: string
}

/** `signature`: ECDSA over SHA-256 of the canonical body, DER in base64. */
export type Checkpoint = CheckpointBody & { signature: string }

/** The SHA-256 of the canonical event in its place: what the next one names as `prev_hash`. */
export const hashOfEvent = (event: PlainEvent & Place): string => sha256Hex(canonicalJson(event))

/** What is signed, and hashed for the next checkpoint. */
export const checkpointText = ({ n, at, prev_hash, heads, public_key }: CheckpointBody): string =>
  canonicalJson({ n, at, prev_hash, heads, public_key })

export const hashOfCheckpoint = (body: CheckpointBody): string => sha256Hex(checkpointText(body))

/** How a key is named to people: SHA-256 of its SubjectPublicKeyInfo, hex. */
export const fingerprintOfKey = (spki: Uint8Array): string => createHash('sha256').update(spki).digest('hex')

/** Whether the checkpoint was signed by the key. */
export const isSignedBy = (checkpoint: Checkpoint, key: KeyObject): boolean => {
  try {
    const signature = Buffer.from(checkpoint.signature, 'base64')
    return verify('sha256', Buffer.from(checkpointText(checkpoint)), { key, dsaEncoding: 'der' }, signature)
  } catch {
    return false
  }
}
