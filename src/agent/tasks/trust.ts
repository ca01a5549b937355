import type { Identity } from '../../client/identity.ts'
import { documentOf } from '../../client/refusal.ts'
import { usableRoots, versionOf } from '../../client/roots.ts'
import { TransportError } from '../../client/transport.ts'
import type { TrustBundle } from '../../wire/trust-bundle.ts'
import { json, type Task, type Work } from '../task.ts'

/**
 * Fetches the trust bundle and takes it over, unless it is the one that is there; answers its version. New roots are used
 * once before they replace those that work: a bundle that leads to no server would be the last thing this agent learns.
 */
export const fetchTrust = async ({ self, speaker, state, time, log }: Work, from: Identity): Promise<string> => {
  const bundle = documentOf<TrustBundle>(
    await speaker.speakAs(from, { method: 'GET', path: '/v1/trust-bundle', headers: json }),
  )
  const refuse = (why: string): Error => {
    self.refusedTrust = bundle.version
    return new Error(`the new trust bundle is not taken: ${why}`)
  }
  const usable = usableRoots(bundle.roots_pem, time.now())
  if ('problem' in usable) throw refuse(usable.problem)
  const version = versionOf(usable.pem)
  self.wantedTrust = version
  if (version === versionOf(from.rootsPem)) return version
  const next = { ...from, rootsPem: usable.pem }
  try {
    documentOf(await speaker.speakAs(next, { method: 'GET', path: '/v1/whoami', headers: json }))
  } catch (error) {
    throw error instanceof TransportError && error.failure === 'untrusted'
      ? refuse('this server does not lead to it')
      : error
  }
  await state.replace(next)
  self.identity = next
  await state.publish(next)
  // Said at once: a rotation waits for it.
  self.reportDue = Number.NEGATIVE_INFINITY
  log('trust_changed', { version })
  return version
}

/** The trust bundle that the server has. */
export const makeTrustTask = (work: Work): Task => {
  const { self } = work
  return {
    name: 'trust',
    attempts: work.attempts(),
    ready: () =>
      self.identity !== undefined &&
      !self.unfinished &&
      self.wantedTrust !== undefined &&
      self.wantedTrust !== versionOf(self.identity.rootsPem) &&
      self.wantedTrust !== self.refusedTrust,
    run: async () => {
      await fetchTrust(work, self.identity as Identity)
      return undefined
    },
  }
}
