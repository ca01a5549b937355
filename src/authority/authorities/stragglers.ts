import { type AgentRecord, isLive, type ServerLease, seenOf } from '../../core/agent.ts'
import type { StoredAuthorities, Straggler } from '../../core/authority.ts'
import { ControlError } from '../../core/errors.ts'
import { day, second } from '../../core/time.ts'
import { largestSkew } from '../../store/feed.ts'
import type { AuthorityDeps } from './deps.ts'

export type Leases = ReadonlyMap<string, ServerLease>

/** Agents that were not seen for so long are not waited for. Milliseconds. */
const seenWithin = day
const agentsPerPage = 500
/** Principals that are read at once. */
const readsAtOnce = 50
/** Agents are looked through for so long; a request has little more. Milliseconds. */
const usualPatience = 3 * second

export interface Behind {
  found: Straggler[]
  /** False: there may be more. */
  complete: boolean
}

/**
 * Servers that run and can sign at all. Those that only verify are asked for no key. A lease is written by the clock of its
 * server: one whose clock is late must not be taken for gone.
 */
export const signingServers = (leases: Leases, now: number): ServerLease[] =>
  [...leases.values()].filter((lease) => isLive(lease, now - largestSkew) && lease.verifies_only !== true)

const tooOld = 'runs a version that knows of no rotation: update it'

/** Servers that would go on as if there was no rotation. */
export const unawareServers = (leases: Leases, now: number): Straggler[] =>
  signingServers(leases, now)
    .filter(({ issuer_keys }) => issuer_keys === undefined)
    .map(({ server_id: id }) => ({ kind: 'server', id, detail: tooOld }))

/**
 * Throws `invalid_transition` when a live server signs with an issuer by its own configuration, as each does while no admin
 * has activated one: what is written down then is what one of them does.
 */
export const demandUnused = (leases: Leases, { active }: StoredAuthorities, issuerId: string, now: number): void => {
  if (active !== undefined && active.adopted !== true) return
  const signer = signingServers(leases, now).find(({ signs_with }) => signs_with === issuerId)
  if (signer !== undefined)
    throw new ControlError(
      'invalid_transition',
      `the server ${signer.server_id} signs with it, as its configuration says: activate another one first`,
    )
}

/** Servers that do not report the key of an issuer. */
export const serversWithoutKey = (leases: Leases, issuerId: string, now: number): Straggler[] =>
  signingServers(leases, now)
    .filter(({ issuer_keys }) => issuer_keys?.includes(issuerId) !== true)
    .map(({ server_id: id, issuer_keys }) => ({
      kind: 'server',
      id,
      detail:
        issuer_keys === undefined ? tooOld : 'does not report the key of this issuer, or not the root that signed it',
    }))

/**
 * Agents that were there within a day and have not said that they have a root (SHA-256 of its DER, hex). Principals that are
 * not let in any more, and agents whose certificate has ended, are not waited for: whoever comes back gets the bundle then.
 */
export const agentsWithoutRoot = async (
  { registry, clock }: Pick<AuthorityDeps, 'registry' | 'clock'>,
  rootSha256: string,
  patience = usualPatience,
): Promise<Behind> => {
  const started = performance.now()
  const isLate = () => performance.now() - started > patience
  const leases = await registry.leases.all()
  const now = clock()
  const roots = new Map<string, Promise<string[] | undefined>>()
  const rootsOf = (version: string) => {
    const known = roots.get(version) ?? registry.authorities.rootsOf(version)
    roots.set(version, known)
    return known
  }
  const stragglerOf = async ({ principal_id: id, report }: AgentRecord): Promise<Straggler | undefined> => {
    if (report !== undefined && (await rootsOf(report.trust_bundle_version))?.includes(rootSha256)) return undefined
    if ((await registry.principals.get(id))?.status !== 'active') return undefined
    const detail =
      report === undefined
        ? 'has not reported which roots it has'
        : `has the trust bundle ${report.trust_bundle_version}, without the root of this issuer`
    return { kind: 'agent', id, detail }
  }
  const found: Straggler[] = []
  let page_token: string | undefined
  do {
    const page = await registry.agents.list({
      limit: agentsPerPage,
      ...(page_token === undefined ? {} : { page_token }),
      filters: { for: 'rotation' },
      wanted: (agent) =>
        seenOf(agent, leases, now).last_seen_at >= now - seenWithin && !((agent.expires_at ?? now) < now),
    })
    page_token = page.next_page_token
    for (let i = 0; i < page.items.length; i += readsAtOnce) {
      if (isLate()) return { found, complete: false }
      const some = await Promise.all(page.items.slice(i, i + readsAtOnce).map(stragglerOf))
      found.push(...some.filter((each) => each !== undefined))
    }
    if (page_token !== undefined && isLate()) return { found, complete: false }
  } while (page_token !== undefined)
  return { found, complete: true }
}
