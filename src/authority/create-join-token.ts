import { randomBytes } from 'node:crypto'
import { sha256Hex } from '../core/bytes.ts'
import { ControlError } from '../core/errors.ts'
import { timeOrderedId } from '../core/ids.ts'
import type { JoinTokenRecord } from '../core/joining.ts'
import { second } from '../core/time.ts'
import { shortestValidity } from '../pki/profile.ts'
import type { Registry } from '../store/registry.ts'
import { type CreatedJoinToken, type CreateJoinToken, defaultTokenLife, renderJoinToken } from '../wire/join-tokens.ts'
import type { CallerRequest } from './request.ts'

export interface CreateJoinTokenDeps {
  registry: Pick<Registry, 'joinTokens' | 'commit'>
  clock: () => number
  /** Milliseconds. */
  maxValidity: number
  /** What the new machine runs to join with a secret. */
  commandFor: (token: Pick<JoinTokenRecord, 'principal_id'>, secret: string) => string
}

/** 256 bits: nobody guesses one, so its hash needs neither salt nor stretching. */
const newSecret = (): string => `airj_${randomBytes(32).toString('base64url')}`

const fault = (pointer: string, detail: string): ControlError =>
  new ControlError('invalid_request', `${pointer.slice(1)} ${detail}`, { errors: [{ pointer, detail }] })

/** Throws `validity_seconds` out of the bounds that certificates of this plane have. */
export const demandValidity = (asked: number | null | undefined, maxValidity: number): void => {
  if (asked === undefined || asked === null || (asked >= shortestValidity / second && asked * second <= maxValidity))
    return
  const longest = Math.floor(maxValidity / second)
  throw fault('/validity_seconds', `must be a whole number of seconds from ${shortestValidity / second} to ${longest}`)
}

/** Throws for what the fields of a token may not be together. */
const demandSense = (body: CreateJoinToken): void => {
  if (body.principal_id !== undefined && body.id_prefix !== undefined)
    throw fault('/id_prefix', 'goes with no principal_id: give one of them, or neither')
  if (body.principal_id !== undefined && (body.max_uses ?? 1) > 1 && body.rejoin !== true)
    throw fault(
      '/max_uses',
      'must be 1 with principal_id unless rejoin is true: a second machine would be the same principal',
    )
  if (body.principal_type === 'admin' && body.allow_admin !== true)
    throw fault('/allow_admin', 'must be true for a token that makes an admin')
}

/**
 * Makes a join token. Its secret is in the answer and nowhere else: the registry has its SHA-256, and the answer that an
 * Idempotency-Key gives again does not have it.
 */
export const makeCreateJoinToken =
  ({ registry, clock, maxValidity, commandFor }: CreateJoinTokenDeps) =>
  (request: CallerRequest, body: CreateJoinToken): Promise<CreatedJoinToken> => {
    demandSense(body)
    demandValidity(body.validity_seconds, maxValidity)
    const now = clock()
    const secret = newSecret()
    const { principal_type, principal_id, validity_seconds, description } = body
    const record: JoinTokenRecord = {
      join_token_id: timeOrderedId(now),
      token_sha256: sha256Hex(secret),
      principal_type,
      ...(principal_id === undefined ? { id_prefix: body.id_prefix ?? `${principal_type}-` } : { principal_id }),
      created_at: now,
      created_by: request.attribution.actor,
      expires_at: now + (body.ttl_seconds ?? defaultTokenLife) * second,
      max_uses: body.max_uses ?? 1,
      uses: 0,
      ...(validity_seconds === undefined ? {} : { validity_seconds }),
      rejoin: body.rejoin ?? false,
      allow_admin: body.allow_admin ?? false,
      ...(description === undefined ? {} : { description }),
      metadata: body.metadata ?? {},
    }
    const kept = renderJoinToken(record, now)
    const { join_token_id: id, id_prefix, max_uses, rejoin, expires_at } = record
    return registry.commit<CreatedJoinToken>({
      attribution: request.attribution,
      once: request.once,
      exclusive: `join_token:${id}`,
      plan: async () => ({
        writes: registry.joinTokens.create(record).map((item) => ({ item })),
        events: [
          {
            action: 'join_token.create',
            target: id,
            after: {
              principal_type,
              ...(principal_id === undefined ? { id_prefix } : { principal_id }),
              max_uses,
              rejoin,
              expires_at,
            },
          },
        ],
        changes: [],
        answer: { ...kept, join_token: secret, command: commandFor(record, secret) },
        kept,
      }),
    })
  }
