import { type CheckpointBody, checkpointText, isSignedBy, noHash } from '../core/audit-chain.ts'
import { canonicalJson } from '../core/canonical.ts'
import { minute, second, toRfc3339 } from '../core/time.ts'
import { spkiOf } from '../pki/keys.ts'
import type { Signer } from '../pki/signer.ts'
import { headOf } from '../store/audit-link.ts'
import { type AdoptionTimes, adoptAbandoned } from '../store/chain-adoption.ts'
import { failureOf } from '../store/failures.ts'
import type { Registry } from '../store/registry.ts'

export interface CheckpointDeps {
  registry: Pick<Registry, 'auditChains' | 'auditCheckpoints' | 'workLeases'>
  clock: () => number
  /** Names this process among those that might do the work. */
  owner: string
  /** The audit key; undefined while it is out of reach, or when there is none. */
  signer: () => Signer | undefined
  /** Keeps a checkpoint where nobody can delete it before its time. Absent: in the table alone. */
  keep?: ((body: Buffer) => Promise<unknown>) | undefined
  onAdopted: (done: { chains: number; events: number }) => void
  /** The chain of a process that is gone could not be brought to its end; it is tried again in the next round. */
  onAdoptFailed: (chain: string, error: unknown) => void
  onSignFailed: (error: unknown) => void
  onKeepFailed: (error: unknown) => void
  times?: Partial<AdoptionTimes & { checkpointEvery: number }> | undefined
}

/** The lease outlives a slow round, so that two servers rarely sign at once; if they do, one of the two is refused. */
const leaseFor = 20 * second
/** So many are carried over to the bucket in one round, when it did not take them at their time. */
const keptAtOnce = 60

/**
 * One round of what one server does for the chains of all: it closes those of processes that are gone, signs a checkpoint
 * every minute, and carries checkpoints to the bucket.
 */
export const makeCheckpointer = (deps: CheckpointDeps) => {
  const { registry, clock, owner, signer, keep } = deps
  const { auditChains, auditCheckpoints, workLeases } = registry
  const every = deps.times?.checkpointEvery ?? minute

  const sign = async (key: Signer): Promise<void> => {
    const last = await auditCheckpoints.last()
    const now = clock()
    if (last !== undefined && now - last.at < every) return
    const heads = await auditChains.open()
    const body: CheckpointBody = {
      n: (last?.n ?? 0) + 1,
      at: toRfc3339(Math.max(now, (last?.at ?? 0) + 1)),
      prev_hash: last?.hash ?? noHash,
      heads: heads.filter(({ seq }) => seq > 0).map(headOf),
      public_key: spkiOf(key.publicKey).toString('base64'),
    }
    const checkpoint = { ...body, signature: (await key.sign(Buffer.from(checkpointText(body)))).toString('base64') }
    // What was signed is verified before anybody relies on it.
    if (!isSignedBy(checkpoint, key.publicKey)) throw new Error('the audit key made a signature that does not verify')
    try {
      await auditCheckpoints.put(checkpoint)
    } catch (error) {
      // Another server was first, or the answer was lost and the next round finds it.
      if (failureOf(error).kind === 'condition') return
      throw error
    }
  }

  /** A closed chain is forgotten once a stored checkpoint has its end; without an audit key, at once. */
  const forgetClosed = async (): Promise<void> => {
    const closed = (await auditChains.open()).filter((chain) => chain.closed)
    if (closed.length === 0) return
    const last = await auditCheckpoints.last()
    const [checkpoint] = last === undefined ? [] : await auditCheckpoints.since(last.at, 1)
    const ends = new Map(checkpoint?.heads.map((head) => [head.chain, head]))
    for (const chain of closed) {
      const end = ends.get(chain.chain)
      const covered = chain.seq === 0 || (end?.closed === true && end.seq === chain.seq)
      if (covered || (last === undefined && signer() === undefined)) await auditChains.forget(chain)
    }
  }

  /** A crash between the two writes: the checkpoint is put again, as one more version with the same content. */
  const carry = async (): Promise<void> => {
    const last = await auditCheckpoints.last()
    if (keep === undefined || last === undefined || last.kept_n >= last.n) return
    for (const checkpoint of await auditCheckpoints.since(last.kept_at + 1, keptAtOnce)) {
      await keep(Buffer.from(`${canonicalJson(checkpoint)}\n`))
      await auditCheckpoints.kept(checkpoint.n, Date.parse(checkpoint.at))
    }
  }

  return async (): Promise<void> => {
    const now = clock()
    if (!(await workLeases.take('audit', owner, now, now + leaseFor))) return
    const done = await adoptAbandoned(auditChains, now, deps.onAdoptFailed, deps.times)
    if (done.chains > 0) deps.onAdopted(done)
    const key = signer()
    if (key !== undefined) await sign(key).catch(deps.onSignFailed)
    await forgetClosed()
    await carry().catch(deps.onKeepFailed)
  }
}
