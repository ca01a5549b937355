import { setTimeout as sleep } from 'node:timers/promises'
import { type Identity, isIdentity, lifeOf, nameOf, serialOf } from '../../client/identity.ts'
import { type Joined, join } from '../../client/join.ts'
import type { ProofSource } from '../../client/proof.ts'
import { documentOf, Refusal } from '../../client/refusal.ts'
import { type RotateDeps, resumeRotation, rotate } from '../../client/rotate.ts'
import { minute, second, toRfc3339 } from '../../core/time.ts'
import type { Whoami } from '../../wire/whoami.ts'
import { backoffBounds, restAfterRenewal, type Window } from '../renewal.ts'
import { renewAt } from '../self.ts'
import { type End, json, type Task, type Work } from '../task.ts'

const rotateDepsOf = ({ state, speaker, time, onStep }: Work): RotateDeps => ({
  state,
  speakAs: speaker.speakAs,
  now: time.now,
  ...(onStep === undefined ? {} : { onStep }),
})

/** The server has just given this identity, or let it in for the first time. */
const becomeNew = (work: Work, identity: Identity, window?: Window): void => {
  work.become(identity, window)
  work.self.restUntil = work.world.monotonic() + restAfterRenewal(lifeOf(identity))
}

/** Renews with a new key; afterwards the agent is the successor. */
export const renew = async (work: Work, from: Identity): Promise<void> => {
  const { self, state, counts, log } = work
  try {
    const { identity, window } = await rotate(rotateDepsOf(work), from)
    counts.renewals.succeeded += 1
    log('certificate_renewed', { serial_number: serialOf(identity), expires_at: toRfc3339(lifeOf(identity).to) })
    becomeNew(work, identity, window)
  } catch (error) {
    counts.renewals.failed += 1
    // From the third step on the successor waits, and may have been used.
    self.unfinished = await state.read().then(
      ({ next }) => isIdentity(next),
      () => self.unfinished,
    )
    throw error
  }
}

/** Finishes what a crash, or a failure behind the third step, had cut off. */
const resume = async (work: Work): Promise<void> => {
  const resumed = await resumeRotation(rotateDepsOf(work))
  work.self.unfinished = false
  if (resumed === undefined) return
  work.log('renewal_finished', { serial_number: serialOf(resumed) })
  becomeNew(work, resumed)
}

const joinOnce = (work: Work, proof: ProofSource, trust: Parameters<typeof join>[0]['trust']): Promise<Joined> => {
  const { options, self, signal } = work
  // Whoever joins again is who it was.
  const principalId = self.identity === undefined ? options.principalId : nameOf(self.identity).principalId
  return join({
    state: work.state,
    server: options.enrollServer,
    trust,
    proof,
    ...(principalId === undefined ? {} : { principalId }),
    metadata: options.metadata,
    now: work.time.now,
    random: work.world.random,
    sleep: (milliseconds) => sleep(milliseconds, undefined, { signal }),
    timeout: options.timeout,
    signal,
  })
}

/** Becomes somebody, or the same again after its certificate has ended. */
const joinNow = async (work: Work, proof: ProofSource): Promise<End | undefined> => {
  const { options, self, counts, log } = work
  const before = self.identity
  const trust = options.trust ?? (before?.rootsPem ? { rootsPem: before.rootsPem } : undefined)
  if (trust === undefined)
    return {
      code: 3,
      what: 'nothing says which server to trust',
      next: 'Give --cacert FILE or --ca-fingerprint sha256:HEX.',
    }
  try {
    const { enrollment, identity } = await joinOnce(work, proof, trust)
    counts.joins.succeeded += 1
    log(before === undefined ? 'joined' : 'rejoined', {
      principal_id: enrollment.principal.principal_id,
      serial_number: enrollment.certificate.serial_number,
      expires_at: enrollment.certificate.expires_at,
    })
    becomeNew(work, identity, {
      renew_after: Date.parse(enrollment.renew_after),
      renew_before: Date.parse(enrollment.renew_before),
    })
    return undefined
  } catch (error) {
    counts.joins.failed += 1
    // A proof may come to be good for who was let in before: a new token is put there, a rule is changed.
    if (before !== undefined || !(error instanceof Refusal && error.code === 'join_refused')) throw error
    return {
      code: 4,
      what: 'joining was refused (join_refused)',
      why: error.hint ?? 'The server tells no more than that; its audit log has the reason.',
      next: 'Ask an admin: `airunner audit list --action join.refuse`.',
    }
  }
}

const wayToJoin = 'Join: `airunner enroll`, or give --token-file, --aws-iam or --oidc-token-file.'

/** An identity that is in order: finished, joined for, or renewed. */
export const makeIdentityTask = (work: Work): Task => {
  const { self, options, state } = work
  return {
    name: 'identity',
    attempts: work.attempts(() =>
      self.identity === undefined || self.ended !== undefined
        ? { first: 2 * second, most: 5 * minute }
        : backoffBounds(lifeOf(self.identity)),
    ),
    ready: () =>
      self.unfinished ||
      self.identity === undefined ||
      self.ended !== undefined ||
      (work.time.now() >= renewAt(self) && work.world.monotonic() >= self.restUntil),
    run: async () => {
      const { identity, ended } = self
      if (self.unfinished) await resume(work)
      else if (identity !== undefined && ended === undefined) await renew(work, identity)
      else if (options.proof !== undefined) return joinNow(work, options.proof)
      else if (identity === undefined) return { code: 3, what: `${state.path} holds no identity`, next: wayToJoin }
      else
        return {
          code: 4,
          what: 'the agent is not let in any more',
          why: `The server says ${ended}, and the agent was given no way to join again.`,
          next: wayToJoin,
        }
      return undefined
    },
  }
}

/** Asks who we are: what the server's clock says, and whether it lets us in. */
export const makeCheckTask = (work: Work): Task => {
  const { self, speaker, log } = work
  return {
    name: 'check',
    attempts: work.attempts(() => ({ first: second, most: 30 * second })),
    ready: () => self.checkWanted && self.identity !== undefined && self.ended === undefined && !self.unfinished,
    run: async () => {
      const answer = await speaker.speakAs(self.identity as Identity, {
        method: 'GET',
        path: '/v1/whoami',
        headers: json,
      })
      const { certificate } = documentOf<Whoami>(answer)
      self.checkWanted = false
      log('let_in', { principal_id: certificate.principal_id, serial_number: certificate.serial_number })
      return undefined
    },
  }
}
