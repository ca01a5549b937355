import type { AuthorityRecord, StoredAuthorities } from '../../core/authority.ts'
import { sha256Hex } from '../../core/bytes.ts'
import { ControlError } from '../../core/errors.ts'
import { decodePageToken, encodePageToken } from '../../store/pages.ts'
import type { Authority, AuthorityDetails, AuthorityPage, ListAuthorities, Rollout } from '../../wire/authorities.ts'
import { activeCertificates } from './active-certificates.ts'
import { type AuthorityDeps, namedStragglers, type Trust, unwritten } from './deps.ts'
import { renderIssuer, renderRoot, rootOf } from './render.ts'
import { agentsWithoutRoot, serversWithoutKey, signingServers } from './stragglers.ts'

const defaultLimit = 50
/** Certificates are counted up to here. */
const mostCounted = 5000

/** Records of all issuers, those that only the configuration has included. */
const recordsOf = (stored: StoredAuthorities, { issuers, active }: Trust): AuthorityRecord[] => {
  const written = new Set(stored.issuers.map(({ issuer_id }) => issuer_id))
  return [
    ...stored.issuers,
    ...issuers
      .filter(({ issuer_id }) => !written.has(issuer_id))
      .map((issuer): AuthorityRecord => {
        const signs = stored.active === undefined && issuer.issuer_id === active?.issuer.issuer_id
        return { ...unwritten(issuer), ...(signs ? { state: 'active' as const } : {}) }
      }),
  ]
}

/** SHA-256 of the root (DER, hex) that agents must have before an issuer may sign; undefined when they have it already. */
export const newRootOf = (
  issuerId: string,
  active: string | undefined,
  { issuers, removed, roots }: Trust,
): string | undefined => {
  // The one that signs may have ended.
  const find = (id: string | undefined) =>
    [...issuers, ...removed].find(({ issuer_id }) => issuer_id === id)?.certificate
  const [next, now] = [find(issuerId), find(active)]
  const root = next && rootOf(next, roots)
  if (root === undefined || (now !== undefined && rootOf(now, roots)?.raw.equals(root.raw))) return undefined
  return sha256Hex(root.raw)
}

/** Roots and issuers, and how far servers and agents are with one. */
export const makeAuthorityQueries = (deps: AuthorityDeps) => {
  const { registry, trust, refresh, clock } = deps

  const all = async (): Promise<Authority[]> => {
    await refresh()
    const stored = await registry.authorities.read()
    const { roots } = trust()
    const records = recordsOf(stored, trust())
    const active = stored.active?.issuer_id ?? records.find(({ state }) => state === 'active')?.issuer_id
    return [
      ...roots.roots.map(renderRoot).sort((a, b) => (a.issuer_id < b.issuer_id ? -1 : 1)),
      ...records
        .map((record) => renderIssuer(record, active, roots))
        .sort((a, b) => (a.issuer_id < b.issuer_id ? -1 : 1)),
    ]
  }

  const rolloutOf = async (issuerId: string): Promise<Rollout> => {
    const leases = await registry.leases.all()
    const now = clock()
    const active = (await registry.authorities.read()).active?.issuer_id ?? trust().active?.issuer.issuer_id
    const root = newRootOf(issuerId, active, trust())
    const stragglers = [
      ...serversWithoutKey(leases, issuerId, now),
      ...(root === undefined ? [] : (await agentsWithoutRoot(deps, root)).found),
    ]
    const { found, complete } = await activeCertificates(deps, issuerId, mostCounted)
    return {
      servers: signingServers(leases, now).map(({ server_id, issuer_keys }) => ({
        server_id,
        has_key: issuer_keys?.includes(issuerId) === true,
      })),
      stragglers: stragglers.slice(0, namedStragglers),
      stragglers_total: stragglers.length,
      active_certificates: found.length,
      active_certificates_complete: complete,
    }
  }

  return {
    listAuthorities: async ({ limit = defaultLimit, page_token }: ListAuthorities): Promise<AuthorityPage> => {
      const filters = { list: 'authorities' }
      const after = page_token === undefined ? undefined : decodePageToken(filters, page_token)['a']
      const items = await all()
      const key = ({ kind, issuer_id }: Authority) => `${kind === 'root' ? 0 : 1}${issuer_id}`
      const rest = items.filter((item) => after === undefined || key(item) > String(after))
      const page = rest.slice(0, limit)
      const last = page.at(-1)
      return {
        items: page,
        ...(rest.length > limit && last ? { next_page_token: encodePageToken(filters, { a: key(last) }) } : {}),
      }
    },

    getAuthority: async (issuerId: string): Promise<AuthorityDetails> => {
      // Where a root signs clients itself, the issuer is what is asked for.
      const found = (await all()).filter(({ issuer_id }) => issuer_id === issuerId).at(-1)
      if (found === undefined) throw new ControlError('not_found', 'there is no authority of this id')
      const hasRollout = found.kind === 'issuer' && found.state !== 'removed'
      return hasRollout ? { ...found, rollout: await rolloutOf(issuerId) } : found
    },
  }
}
