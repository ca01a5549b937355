import { randomBytes } from 'node:crypto'
import { JoinRefused } from '../auth/join/proof.ts'
import { sha256Hex } from '../core/bytes.ts'
import { isPrincipalId } from '../core/ids.ts'
import { type JoinTokenRecord, statusOfJoinToken, tokenActor } from '../core/joining.ts'
import type { Registry } from '../store/registry.ts'
import type { EnrollByToken } from '../wire/enrollments.ts'
import { type JoinTicket, onceOf } from './join-ticket.ts'

export interface TokenTicketDeps {
  registry: Pick<Registry, 'joinTokens' | 'answers'>
  clock: () => number
}

/** @see RFC 4648 §6, in lower case */
const base32 = 'abcdefghijklmnopqrstuvwxyz234567'
const suffixLength = 8

const newSuffix = (): string => [...randomBytes(suffixLength)].map((octet) => base32[octet % 32]).join('')

const reasonOf = {
  revoked: 'the join token is revoked',
  expired: 'the join token is expired',
  used: 'the join token is used up',
} as const

const idFrom = ({ principal_id, id_prefix = '' }: JoinTokenRecord, asked: string | undefined): string => {
  if (principal_id !== undefined) {
    if (asked !== undefined && asked !== principal_id)
      throw new JoinRefused('the join token is for another principal_id')
    return principal_id
  }
  if (asked === undefined) return `${id_prefix}${newSuffix()}`
  if (!asked.startsWith(id_prefix) || asked.length === id_prefix.length)
    throw new JoinRefused('the principal_id does not begin as the join token demands')
  if (!isPrincipalId(asked)) throw new JoinRefused('the principal_id is malformed')
  return asked
}

/** As `create-join-token.ts` makes them: 32 octets in base64url. */
const joinTokenShape = /^airj_[A-Za-z0-9_-]{43}$/

/** What a join token is good for. Throws JoinRefused when there is none of this secret, or when it is over. */
export const makeTokenTicket =
  ({ registry, clock }: TokenTicketDeps) =>
  async (body: EnrollByToken, csrSha256: string): Promise<JoinTicket> => {
    // What cannot be one of ours costs no read.
    if (!joinTokenShape.test(body.join_token)) throw new JoinRefused('there is no such join token')
    const secretSha256 = sha256Hex(body.join_token)
    const read = async (): Promise<JoinTokenRecord> => {
      const token = await registry.joinTokens.find(secretSha256)
      if (token === undefined) throw new JoinRefused('there is no such join token')
      return token
    }
    const demand = (token: JoinTokenRecord, good: 'active' | 'used'): void => {
      const status = statusOfJoinToken(token, clock())
      if (status === 'active' || status === good) return
      throw new JoinRefused(reasonOf[status], { by: tokenActor(token.join_token_id) })
    }

    const onceUntil = (keepUntil: number) => onceOf('token', secretSha256, csrSha256, keepUntil)
    // In one breath: one call.
    const [token, answer] = await Promise.all([read(), registry.answers.find(onceUntil(0).key)])
    // One that is used up still answers the request that used it.
    demand(token, 'used')
    const by = tokenActor(token.join_token_id)
    let first: JoinTokenRecord | undefined = token
    return {
      by,
      once: onceUntil(token.expires_at),
      kept: { answer },
      exclusive: by,
      principal_type: token.principal_type,
      rejoin: token.rejoin,
      names_principal: token.principal_id !== undefined,
      ...(token.validity_seconds === undefined ? {} : { validity_seconds: token.validity_seconds }),
      metadata: token.metadata,
      principalId: (asked) => idFrom(token, asked),
      spend: async (principalId) => {
        // The first time it has just been read, and the transaction refuses one that was used up or revoked meanwhile.
        const fresh = first ?? (await read())
        first = undefined
        demand(fresh, 'active')
        const now = clock()
        const after = { principal_id: principalId, last_used_at: now }
        return {
          writes: [{ item: registry.joinTokens.use(fresh, now) }],
          events: [{ action: 'join_token.use', target: token.join_token_id, after }],
        }
      },
    }
  }
