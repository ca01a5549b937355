import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import {
  type Checkpoint,
  type CheckpointBody,
  checkpointText,
  exportFormat,
  hashOfCheckpoint,
  hashOfEvent,
  noHash,
  type PlainEvent,
} from '../../src/core/audit-chain.ts'
import { exportLine } from '../../src/core/audit-lines.ts'
import { lowestIdAt } from '../../src/core/ids.ts'
import { minute, second, toRfc3339 } from '../../src/core/time.ts'

export interface MadeExport {
  lines: string[]
  publicKey: Buffer
  checkpoints: Checkpoint[]
  /** Signs a checkpoint with the key of this export. */
  sign(body: CheckpointBody): Checkpoint
}

/** When exports made here begin, Unix milliseconds. */
export const exportBegins = Date.UTC(2026, 10, 21, 12)

const idOf = (at: number, chain: number, seq: number): string =>
  `${lowestIdAt(at)}7${String(chain).padStart(3, '0')}8${String(seq).padStart(15, '0')}`.slice(0, 32)

export const chainName = (chain: number): string => idOf(exportBegins, chain, 0)

export const signCheckpoint = (body: CheckpointBody, privateKey: KeyObject): Checkpoint => ({
  ...body,
  signature: sign('sha256', Buffer.from(checkpointText(body)), { key: privateKey, dsaEncoding: 'der' }).toString(
    'base64',
  ),
})

/**
 * Lines of a good export: `chains` chains of `perMinute` events each for `minutes` minutes, a checkpoint after each minute,
 * and `tail` events of the first chain that none counts yet.
 */
export function* makeExportLines(options: {
  chains: number
  perMinute: number
  minutes: number
  /** How long those minutes are, milliseconds. */
  step?: number
  tail: number
  privateKey: KeyObject
  publicKey: Buffer
}): Generator<string> {
  const { chains, perMinute, minutes, step = minute, tail, privateKey, publicKey } = options
  const ends = Array.from({ length: chains }, (_, chain) => ({ chain: chainName(chain), seq: 0, hash: noHash }))
  const counted = { events: 0, checkpoints: 0, missing: 0, unlinked: 0 }
  let before = noHash
  const eventLine = (index: number, at: number): string => {
    const end = ends[index] as (typeof ends)[number]
    const seq = end.seq + 1
    const event: PlainEvent = {
      event_id: idOf(at, index, seq),
      at: toRfc3339(at),
      actor: 'admin-test',
      action: seq % 3 === 0 ? 'certificate.revoke' : 'principal.create',
      target: `worker-${index}-${seq}`,
      outcome: 'success',
      request_id: idOf(at, index, seq),
      remote_address: '192.0.2.7',
      after: { type: 'worker', hash: noHash, nested: { b: 'ü"\\', a: [1, null] } },
    }
    const placed = { ...event, chain: end.chain, seq, prev_hash: end.hash }
    const hash = hashOfEvent(placed)
    Object.assign(end, { seq, hash })
    counted.events++
    return exportLine({ ...placed, hash })
  }
  const last = exportBegins + minutes * step
  yield exportLine({ format: exportFormat, exported_at: toRfc3339(last + 30 * second), kept_days: 400 })
  for (let n = 1; n <= minutes; n++) {
    const from = exportBegins + (n - 1) * step
    for (let index = 0; index < chains; index++)
      for (let i = 0; i < perMinute; i++) yield eventLine(index, from + Math.floor((i * step) / perMinute) + index)
    const at = toRfc3339(from + step)
    const body: CheckpointBody = {
      n,
      at,
      prev_hash: before,
      heads: ends.map((end) => ({ ...end, at })),
      public_key: publicKey.toString('base64'),
    }
    before = hashOfCheckpoint(body)
    counted.checkpoints++
    yield exportLine({ checkpoint: signCheckpoint(body, privateKey) })
  }
  for (let i = 0; i < tail; i++) yield eventLine(0, last + i * second)
  yield exportLine({ end: counted })
}

/** A small export with a key of its own. */
export const makeExport = (shape: {
  chains: number
  perMinute: number
  minutes: number
  step?: number
  tail: number
}): MadeExport => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const lines = [...makeExportLines({ ...shape, privateKey, publicKey: spki })]
  return {
    lines,
    publicKey: spki,
    checkpoints: lines.flatMap((line) => (line.startsWith('{"checkpoint"') ? [JSON.parse(line).checkpoint] : [])),
    sign: (body) => signCheckpoint(body, privateKey),
  }
}
