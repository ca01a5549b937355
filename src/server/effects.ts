import { AsyncLocalStorage } from 'node:async_hooks'
import type { Decisions } from '../auth/decisions.ts'
import type { Change, FeedRecord } from '../store/feed.ts'
import type { Hub } from './agents/hub.ts'
import type { Connections } from './connections.ts'
import type { Crls } from './crls.ts'
import { currentSocket } from './plugins/current-socket.ts'

export interface EffectsDeps {
  decisions: Decisions
  connections: Connections
  clock: () => number
  /** Milliseconds. */
  supersedeGrace: number
  onRevocationStarted: () => void
  agents: () => Pick<Hub, 'deliver' | 'replaced' | 'askToRenew'>
  onAuthoritiesChanged: () => void
  /** What is said of a certificate outside is no longer true. */
  onCertificateEnded: (serialNumber: string) => void
  crls: () => Pick<Crls, 'revoked' | 'superseded' | 'published'>
}

/** What a change of rights does to this process: cached decisions go, connections are cut or end after their response. */
export const makeEffects = (deps: EffectsDeps) => {
  const { decisions, connections, clock, supersedeGrace, onRevocationStarted, agents, crls } = deps
  const { onAuthoritiesChanged, onCertificateEnded } = deps
  // A timer remembers its surroundings: the socket of a request that is long over would stay in memory with it.
  const outsideOfRequests = AsyncLocalStorage.snapshot()

  /** The one on which the change was asked for gets its answer before it ends. */
  const cut = (
    target: { serial_number: string } | { principal_id: string },
    cause: string,
    acceptedAt: number,
  ): void => {
    const asking = currentSocket()
    connections.cut(target, cause, asking, acceptedAt)
    const presented = asking && connections.presentedOf(asking)
    if (asking === undefined || presented === undefined) return
    const concerned =
      'serial_number' in target
        ? presented.serial_number === target.serial_number
        : presented.claimed?.principal_id === target.principal_id
    if (concerned) connections.requests.finish(asking)
  }

  const apply = (change: Change, at: number): void => {
    switch (change.type) {
      case 'certificates_revoked':
        crls().revoked()
        for (const serial of change.serial_numbers) {
          decisions.dropSerial(serial)
          onCertificateEnded(serial)
          cut({ serial_number: serial }, 'certificate_revoked', at)
        }
        return
      case 'certificate_superseded': {
        const { serial_number } = change
        decisions.dropSerial(serial_number)
        onCertificateEnded(serial_number)
        crls().superseded(change.superseded_at + supersedeGrace)
        const graceEndsIn = change.superseded_at + supersedeGrace - clock()
        const finish = () => void connections.finish(serial_number)
        // Beyond what a timer holds, the regular look at every open connection finds it.
        if (graceEndsIn < 2 ** 31 - 1) outsideOfRequests(() => setTimeout(finish, Math.max(0, graceEndsIn)).unref())
        return
      }
      case 'principal_suspended':
      case 'principal_deleted':
        decisions.dropPrincipal(change.principal_id)
        cut({ principal_id: change.principal_id }, change.type, at)
        return
      case 'principal_activated':
      case 'principal_updated':
        decisions.dropPrincipal(change.principal_id)
        return
      case 'revocation_started':
        onRevocationStarted()
        return
      case 'authorities_changed':
        onAuthoritiesChanged()
        return
      case 'issuer_retired':
        agents().askToRenew(change.issuer_id, Math.max(0, change.renew_until - clock()))
        return
      case 'crl_published':
        crls().published()
        return
      case 'command_created':
        agents().deliver(change.principal_id, change.command_id)
        return
      case 'stream_replaced':
        agents().replaced(change)
    }
  }

  return (record: FeedRecord): void => {
    for (const change of record.changes) apply(change, record.at)
  }
}
