import {
  type AuthorityRecord,
  type IssuerState,
  type StoredAuthorities,
  type Straggler,
  stateOf,
} from '../../core/authority.ts'
import { ControlError } from '../../core/errors.ts'
import type { Issuer } from '../../pki/issuer.ts'
import type { TrustBundle } from '../../pki/trust.ts'
import type { Registry } from '../../store/registry.ts'
import type { Write } from '../../store/transaction.ts'

/** What this server makes of the registry and of its own configuration. */
export interface Trust {
  /** Known, signed by a root of the bundle, and not removed. */
  issuers: Issuer[]
  removed: Issuer[]
  /** The one that signs here. */
  active: { issuer: Issuer } | undefined
  roots: TrustBundle
  /** SHA-256 of the SPKI of every CA that is known here. */
  keys: Set<string>
}

export interface AuthorityDeps {
  registry: Pick<
    Registry,
    'authorities' | 'leases' | 'agents' | 'principals' | 'certificates' | 'keys' | 'admins' | 'commit'
  >
  trust: () => Trust
  /** Reads the registry anew, so that `trust` knows what another server has just been told. */
  refresh: () => Promise<void>
  clock: () => number
  /** Latest expiry that any certificate can have, Unix milliseconds. */
  horizon: () => number
}

/** Operations on issuers wait for each other. */
export const exclusive = 'authorities'

/** How many stragglers an answer names; the detail has the count of all. */
export const namedStragglers = 100

/** Throws unless who goes over what is not ready says why. */
export const demandReason = ({ force, reason }: { force?: boolean; reason?: string }): void => {
  if (force && reason === undefined)
    throw new ControlError('invalid_request', 'force needs a reason, which is audited', {
      errors: [{ pointer: '/reason', detail: 'missing' }],
    })
}

/** What of a request the audit event says. */
export const forcedBy = ({ force, reason }: { force?: boolean; reason?: string }) => ({
  ...(force ? { force } : {}),
  ...(reason === undefined ? {} : { reason }),
})

/** An issuer of the configuration of which the registry has no record yet. */
export const unwritten = ({ issuer_id, der }: Issuer): AuthorityRecord => ({
  issuer_id,
  certificate_der: der,
  state: 'prepared',
  version: 0,
})

/** The record of an issuer, if need be as it would be written. Throws `not_found`, for roots with the reason. */
export const recordOf = (stored: StoredAuthorities, trust: Trust, issuerId: string): AuthorityRecord => {
  const record = stored.issuers.find(({ issuer_id }) => issuer_id === issuerId)
  if (record !== undefined) return record
  const configured = trust.issuers.find(({ issuer_id }) => issuer_id === issuerId)
  if (configured === undefined)
    throw new ControlError(
      'not_found',
      'there is no issuer of this id: prepare it first (roots come from the configuration of the servers alone)',
    )
  return unwritten(configured)
}

/**
 * An issuer that is to be taken out of use, and which one signs: by the registry, and by the configuration of this server as
 * long as that says nothing. Throws `invalid_transition` when it is the one that signs.
 */
export const withoutOffice = (
  stored: StoredAuthorities,
  trust: Trust,
  issuerId: string,
): { read: AuthorityRecord; signing: string | undefined; state: IssuerState } => {
  const read = recordOf(stored, trust, issuerId)
  const signing = stored.active?.issuer_id ?? trust.active?.issuer.issuer_id
  const state = stateOf(read, signing)
  if (issuerId === signing || state === 'active')
    throw new ControlError('invalid_transition', 'the issuer signs now: activate another one first')
  return { read, signing, state }
}

/** The writes that make one record of another, and no other change of issuers at the same time. */
export const writesOf = (
  { registry }: Pick<AuthorityDeps, 'registry'>,
  stored: StoredAuthorities,
  changes: [read: AuthorityRecord, after: AuthorityRecord][],
  active: { issuer_id: string; adopted?: boolean } | undefined = stored.active,
): Write[] => [
  ...changes.map(([read, after]) => ({
    item: read.version === 0 ? registry.authorities.create(after) : registry.authorities.replace(read, after),
  })),
  ...(active === undefined ? [] : [{ item: registry.authorities.point(stored, active) }]),
]

const countOf = (stragglers: Straggler[], kind: Straggler['kind']): string | undefined => {
  const count = stragglers.filter((straggler) => straggler.kind === kind).length
  return count === 0 ? undefined : `${count} ${kind}${count === 1 ? '' : 's'}`
}

/** Refuses a step for which somebody is not ready. */
export const notReady = (stragglers: Straggler[], what: string): ControlError => {
  const who = (['server', 'agent'] as const).flatMap((kind) => countOf(stragglers, kind) ?? []).join(' and ')
  const [first] = stragglers
  const example = first === undefined ? '' : `, such as ${first.kind} ${first.id}: ${first.detail}`
  return new ControlError('rotation_not_ready', `${who} ${what}${example}`, {
    stragglers: stragglers.slice(0, namedStragglers),
  })
}
