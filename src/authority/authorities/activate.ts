import { X509Certificate } from 'node:crypto'
import { type AuthorityRecord, type StoredAuthorities, stateOf } from '../../core/authority.ts'
import { ControlError } from '../../core/errors.ts'
import { minute, second } from '../../core/time.ts'
import type { ActivateAuthority, Authority } from '../../wire/authorities.ts'
import type { CallerRequest } from '../request.ts'
import {
  type AuthorityDeps,
  demandReason,
  exclusive,
  forcedBy,
  notReady,
  recordOf,
  type Trust,
  unwritten,
  writesOf,
} from './deps.ts'
import { newRootOf } from './queries.ts'
import { renderIssuer } from './render.ts'
import { agentsWithoutRoot, type Behind, serversWithoutKey } from './stragglers.ts'

/** An issuer with less than this left is of no use to whoever asks; servers would not be ready. Milliseconds. */
const leastLife = 10 * minute

/** Whoever goes ahead all the same is not kept waiting to be told who is left behind. Milliseconds. */
const forcedPatience = second

/** The one that signs until now; before anything is written down, the one that this server signs with. */
export const formerOf = (stored: StoredAuthorities, { active }: Trust): AuthorityRecord | undefined => {
  if (stored.active !== undefined) return stored.issuers.find(({ issuer_id }) => issuer_id === stored.active?.issuer_id)
  if (active === undefined) return undefined
  return stored.issuers.find(({ issuer_id }) => issuer_id === active.issuer.issuer_id) ?? unwritten(active.issuer)
}

/**
 * Lets an issuer sign from now on, in the place of the one that did, which stays prepared: activating that one again is the
 * way back. One transaction: a crash leaves the one or the other, and of two at once one waits for the other.
 */
export const makeActivateAuthority =
  (deps: AuthorityDeps) =>
  async (request: CallerRequest, issuerId: string, body: ActivateAuthority): Promise<Authority> => {
    const { registry, trust, refresh, clock } = deps
    demandReason(body)
    await refresh()

    const stragglersNow = async (active: string | undefined): Promise<Behind> => {
      const root = newRootOf(issuerId, active, trust())
      const servers = serversWithoutKey(await registry.leases.all(), issuerId, clock())
      if (root === undefined) return { found: servers, complete: true }
      const { found, complete } = await agentsWithoutRoot(deps, root, body.force ? forcedPatience : undefined)
      return { found: [...servers, ...found], complete }
    }

    return registry.commit({
      attribution: request.attribution,
      once: request.once,
      exclusive,
      plan: async () => {
        const stored = await registry.authorities.read()
        const { roots, issuers } = trust()
        const read = recordOf(stored, trust(), issuerId)
        const state = stateOf(read, stored.active?.issuer_id)
        // One that was taken over from the configuration of one server is not yet that of all.
        if (state === 'active' && stored.active?.adopted !== true)
          return { unchanged: renderIssuer(read, issuerId, roots) }
        if (state === 'removed')
          throw new ControlError('invalid_transition', 'the issuer is removed: prepare it again, then activate it')
        const now = clock()
        if (new X509Certificate(read.certificate_der).validToDate.getTime() < now + leastLife)
          throw new ControlError('invalid_transition', 'the certificate of the issuer has ended, or is about to')
        // Not even by force: what no root vouches for, no server would let in.
        if (!issuers.some(({ issuer_id }) => issuer_id === issuerId))
          throw new ControlError('invalid_transition', 'no root of the trust bundle of this server signed the issuer')

        // 1. Who is not ready. Nothing is written, and whoever becomes ready may be asked again.
        const former = formerOf(stored, trust())
        const { found: stragglers, complete } = await stragglersNow(former?.issuer_id)
        if (stragglers.length > 0 && !body.force)
          throw notReady(
            stragglers,
            complete ? 'not ready to use this issuer' : 'and more not ready to use this issuer',
          )
        if (!complete && !body.force)
          throw new ControlError(
            'rotation_not_ready',
            'there are too many agents to look through in time: see that all have the new root, then force it',
          )

        // 2. One transaction: this one signs, the one before does not, and the feed says so.
        const replaced = former !== undefined && former.issuer_id !== issuerId ? former : undefined
        const { deactivated_at: _deactivated, retired_at: _retired, renew_until: _until, ...kept } = read
        const after: AuthorityRecord = { ...kept, state: 'active', activated_at: now, version: read.version + 1 }
        return {
          writes: writesOf(
            deps,
            stored,
            [
              [read, after],
              ...(replaced === undefined
                ? []
                : [
                    [
                      replaced,
                      { ...replaced, state: 'prepared', deactivated_at: now, version: replaced.version + 1 },
                    ] satisfies [AuthorityRecord, AuthorityRecord],
                  ]),
            ],
            { issuer_id: issuerId },
          ),
          events: [
            {
              action: 'authority.activate',
              target: issuerId,
              before: { state },
              after: {
                state: 'active',
                ...(replaced && { replaces: replaced.issuer_id }),
                ...forcedBy(body),
                ...(stragglers.length === 0 ? {} : { stragglers: stragglers.length }),
              },
            },
            ...(replaced === undefined
              ? []
              : [
                  {
                    action: 'authority.deactivate',
                    target: replaced.issuer_id,
                    before: { state: 'active' },
                    after: { state: 'prepared', replaced_by: issuerId },
                  },
                ]),
          ],
          changes: [{ type: 'authorities_changed' }],
          answer: renderIssuer(after, issuerId, roots),
        }
      },
    })
  }
