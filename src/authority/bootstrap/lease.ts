import { minute, second } from '../../core/time.ts'
import type { BootstrapRecords } from '../../store/bootstrap-record.ts'
import type { WorkLeases } from '../../store/work-leases.ts'
import { BootstrapProblem } from './keys.ts'

/** One bootstrap of a deployment at a time: a lease in the control table, kept alive while the run lives. */

const work = 'bootstrap'
/** How long a run that was killed stands in the way of the next, at the longest. Milliseconds. */
export const leaseLife = 15 * second
/** By so much two clocks may differ: only a lease that ended longer ago is taken without watching it. Milliseconds. */
const clocksDiffer = minute
const renewEvery = 4 * second
const lookEvery = second / 2

export interface BootstrapLeaseDeps {
  leases: Pick<WorkLeases, 'take'>
  records: Pick<BootstrapRecords, 'holder'>
  /** Of this run alone, and telling a person who it is. */
  owner: string
  clock: () => number
  wait: (milliseconds: number) => Promise<void>
  /** Told when another run holds the lease, before it is watched for a sign of life. */
  onWait: (owner: string) => void
}

/** The part of an owner that a person reads. */
const personOf = (owner: string): string => owner.slice(owner.indexOf(' ') + 1)

/**
 * Takes the lease. One that another run holds is watched: when it is renewed, that run is alive and this one gives way;
 * when it is not, that run was cut off, and this one goes on where it stopped.
 */
const take = async ({ leases, records, owner, clock, wait, onWait }: BootstrapLeaseDeps): Promise<void> => {
  const tryAt = (now: number) => leases.take(work, owner, now, clock() + leaseLife)
  let seen: { owner: string; until: number } | undefined
  let watchedFor = 0
  while (!(await tryAt(clock() - clocksDiffer))) {
    const holder = await records.holder(work)
    if (holder === undefined || holder.until === 0) continue
    if (seen === undefined) onWait(personOf(holder.owner))
    else if (holder.until !== seen.until || holder.owner !== seen.owner)
      throw new BootstrapProblem(`another bootstrap of this deployment is at work: ${personOf(holder.owner)}`, {
        next: 'Let it end, then run this again: it finds what the other made.',
      })
    seen = holder
    // Not by the time in it: the clock of who wrote it may differ from this one.
    if (watchedFor >= leaseLife && (await tryAt(holder.until + 1))) return
    await wait(lookEvery)
    watchedFor += lookEvery
  }
}

/** Runs `run` while nobody else does; `mine` throws as soon as that is no longer certain, and says for how long it is: milliseconds. */
export const withBootstrapLease = async <T>(
  deps: BootstrapLeaseDeps,
  run: (mine: () => number) => Promise<T>,
): Promise<T> => {
  const { leases, owner, clock } = deps
  await take(deps)
  let heldUntil = clock() + leaseLife
  let lost = false
  const renew = async () => {
    const until = clock() + leaseLife
    if (await leases.take(work, owner, clock(), until)) heldUntil = until
    else lost = true
  }
  // A renewal that fails is tried again; when none succeeds in time, `mine` says so.
  const timer = setInterval(() => void renew().catch(() => undefined), renewEvery)
  const mine = () => {
    const left = heldUntil - second - clock()
    if (lost || left <= 0)
      throw new BootstrapProblem(
        'another bootstrap of this deployment may have taken over, since this one was held up',
        {
          next: 'Run it again: it goes on where this one stopped.',
        },
      )
    return left
  }
  try {
    return await run(mine)
  } finally {
    clearInterval(timer)
    // Given back at once; after a crash it ends by itself.
    if (!lost) await leases.take(work, owner, clock(), 0).catch(() => undefined)
  }
}
