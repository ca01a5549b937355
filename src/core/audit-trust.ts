import { createPublicKey, type KeyObject } from 'node:crypto'
import { type Checkpoint, fingerprintOfKey, hashOfCheckpoint, isSignedBy, noHash } from './audit-chain.ts'
import type { Findings } from './audit-findings.ts'
import type { ExportHeader } from './audit-lines.ts'

export const nameOf = ({ n, at }: Checkpoint): string => `checkpoint ${n} of ${at}`

export interface CheckpointTrustDeps {
  /** Those that are trusted, SubjectPublicKeyInfo DER. Empty: those that checkpoints name. */
  keys: Uint8Array[]
  found: Findings
  header: () => ExportHeader | undefined
  /** Unix ms: what is older may have expired. */
  expiredBefore: () => number
}

/** Judges checkpoints by themselves: signature, key, and order. */
export const makeCheckpointTrust = ({ keys, found, header, expiredBefore }: CheckpointTrustDeps) => {
  const trusted = new Set(keys.map(fingerprintOfKey))
  const keysSeen = new Map<string, KeyObject | undefined>()
  const missedCheckpoints = new Map<number, string>()
  let last: { checkpoint: Checkpoint; hash: string } | undefined

  /** Whether the signature is good, and by a key that is trusted when any is named. */
  const vouchesFor = (checkpoint: Checkpoint, name: string): boolean => {
    const spki = Buffer.from(checkpoint.public_key, 'base64')
    const fingerprint = fingerprintOfKey(spki)
    if (!keysSeen.has(fingerprint)) {
      let key: KeyObject | undefined
      try {
        key = createPublicKey({ key: spki, format: 'der', type: 'spki' })
      } catch {
        key = undefined
      }
      keysSeen.set(fingerprint, key)
    }
    const key = keysSeen.get(fingerprint)
    if (key === undefined || !isSignedBy(checkpoint, key)) {
      found.add('forged', `${name} was altered or forged: its signature does not fit it.`)
      return false
    }
    if (trusted.size === 0 || trusted.has(fingerprint)) return true
    found.add('wrong_key', `${name} is signed by a key that you have not named: ${fingerprint}.`)
    return false
  }

  /** The place of a checkpoint among the others. */
  const order = (checkpoint: Checkpoint): 'next' | 'odd' => {
    const { n, prev_hash, at } = checkpoint
    const name = nameOf(checkpoint)
    if (last === undefined) {
      if (n === 1 && prev_hash !== noHash) found.add('forged', `${name} is the first and follows another.`)
      if (n > 1 && header()?.since === undefined && Date.parse(at) > expiredBefore())
        found.add('truncated', `checkpoints 1 to ${n - 1} are missing: the file begins with ${name}.`)
      return 'next'
    }
    const before = last.checkpoint
    if (n <= before.n) {
      if (missedCheckpoints.delete(n))
        found.add('reordered', `${name} stands after checkpoint ${before.n}: the order was changed.`)
      else if (n === before.n && hashOfCheckpoint(checkpoint) === last.hash)
        found.add('repeated', `${name} stands twice.`)
      else found.add('inserted', `${name} was inserted: the file has been past checkpoint ${n}.`)
      return 'odd'
    }
    for (let gap = before.n + 1; gap < n && missedCheckpoints.size < 1000; gap++) missedCheckpoints.set(gap, name)
    if (n === before.n + 1 && prev_hash !== last.hash)
      found.add('forged', `${name} does not follow checkpoint ${before.n} of the file: one of the two is another.`)
    if (at < before.at) found.add('forged', `${name} is older than checkpoint ${before.n}, which it follows.`)
    return 'next'
  }

  return {
    vouchesFor,
    order,
    last: () => last?.checkpoint,
    follow: (checkpoint: Checkpoint): void => {
      last = { checkpoint, hash: hashOfCheckpoint(checkpoint) }
    },
    /** SHA-256 of each key that a checkpoint names. */
    keysSeen: () => [...keysSeen.keys()],
    finish: (): void => {
      for (const [n, name] of missedCheckpoints)
        found.add('missing', `checkpoint ${n} is missing: the next is ${name}.`, 'nowhere')
    },
  }
}
