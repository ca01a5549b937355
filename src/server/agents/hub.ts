import type { ClaimCommand, Receiver } from '../../authority/deliver-command.ts'
import type { Heard } from '../../authority/report-status.ts'
import type { CallerRequest } from '../../authority/request.ts'
import type { AgentRecord, HeldStream, OpenCommand } from '../../core/agent.ts'
import type { Attribution } from '../../core/audit.ts'
import { sha256Hex } from '../../core/bytes.ts'
import { type CertificateRecord, lineageOf } from '../../core/certificate.ts'
import { timeOrderedId } from '../../core/ids.ts'
import type { RenewalWindow } from '../../core/renewal-window.ts'
import { second, toRfc3339 } from '../../core/time.ts'
import { withDeadline } from '../../store/deadline.ts'
import type { Change } from '../../store/feed.ts'
import type { Registry } from '../../store/registry.ts'
import type { AgentSnapshot, CommandEvent } from '../../wire/agent-events.ts'
import type { ReportStatus } from '../../wire/agents.ts'
import type { Log } from '../log.ts'
import type { EventStream } from '../plugins/event-streams.ts'
import { makeDepartures } from './departures.ts'
import type { Fleet } from './fleet.ts'
import { endOf, type Held, makeHeldStreams, sendTo } from './held.ts'
import { makeSilence } from './silence.ts'
import { makeTurnstile } from './turnstile.ts'

type Replacement = Omit<Extract<Change, { type: 'stream_replaced' }>, 'type'>

/** A stream that is known to the plane and about to begin. */
export interface Attached {
  snapshot: AgentSnapshot
  /** Takes the snapshot first, then whatever happened meanwhile. */
  opened(stream: EventStream): void
  closed(): void
}

export interface HubDeps {
  server_id: string
  registry: Pick<Registry, 'agents' | 'audit' | 'tell'>
  claim: ClaimCommand
  fleet: (streams: () => number) => Fleet
  trustBundleVersion: () => string
  renewalWindow: (certificate: CertificateRecord) => RenewalWindow
  clock: () => number
  random: () => number
  log: Log
  /** Runs what outlives the request that set it off. */
  outsideOfRequests: (run: () => void) => void
}

/** The holder of a certificate that another instance presented is told to stay away for so long, or the two would take turns. Seconds. */
const displacedFor = 30
/** Changes of trust reach a fleet at this many agents a second, or they would all come for the bundle at once. */
const toldPerSecond = 200
const longestTelling = 30 * second
/** Connections that are written at once: a fleet that comes back must not stand between a revocation and the store. */
const connectsAtOnce = 32

const eventOf = (command: Omit<OpenCommand, 'lineage'>, again: boolean): CommandEvent => ({
  command_id: command.command_id,
  command: command.command,
  ...(command.hook_name === undefined ? {} : { hook_name: command.hook_name }),
  created_at: toRfc3339(command.created_at),
  expires_at: toRfc3339(command.expires_at),
  ...(again ? { again } : {}),
})

/** The agents that are connected to this process, what the store is told of them, and what they are told. */
export const makeHub = (deps: HubDeps) => {
  const { server_id, registry, claim, clock, log } = deps
  const streams = makeHeldStreams()
  const fleet = deps.fleet(streams.size)
  const inTurn = makeTurnstile(connectsAtOnce)
  const failed = (what: string) => (error: unknown) => log.debug({ event: what, reason: (error as Error).message })
  const aside = (what: string, run: () => Promise<unknown>): void =>
    deps.outsideOfRequests(() => void withDeadline(5 * second, run).catch(failed(what)))

  const departures = makeDepartures({
    write: (principalId, stream, at) =>
      withDeadline(5 * second, () => registry.agents.disconnect(principalId, stream, at)),
    onFailure: failed('departure_not_written'),
  })
  const silence = makeSilence({
    held: streams.all,
    read: (principalIds) => withDeadline(5 * second, () => registry.agents.getMany(principalIds)),
    write: (held) =>
      withDeadline(5 * second, () => registry.agents.silence(held.principal_id, held.record, held.heard_at)),
    clock,
    onFailure: failed('silence_not_written'),
  })

  /** Ends a stream for another one of its certificate. Two instances with one certificate are worth a word to the auditors. */
  const replace = (held: Held, by: Replacement): void => {
    if (held.record.instance !== by.instance) {
      sendTo(held, 'reconnect', { after_seconds: displacedFor })
      const { principal_id, serial_number, request_id, remote_address } = by
      log.warn({ event: 'agent_duplicate', principal_id, serial_number, remote_address })
      aside('duplicate_not_audited', () =>
        registry.audit.record(
          {
            action: 'agent.duplicate',
            target: principal_id,
            before: { instance: held.record.instance, remote_address: held.record.remote_address },
            after: { serial_number, instance: by.instance, remote_address },
          },
          { actor: principal_id, request_id, remote_address },
          clock(),
        ),
      )
    }
    endOf(held)
  }

  const localStream = (principalId: string, streamId: string): Held | undefined =>
    streams.of(principalId).find((one) => one.record.stream_id === streamId)

  const replaceHere = (replacement: Replacement): void => {
    const held = localStream(replacement.principal_id, replacement.stream_id)
    if (held !== undefined) replace(held, replacement)
  }

  /**
   * Looks at what the row said before: the stream of this certificate that was the last one until now, wherever it is,
   * and what nobody holds any more. So each stream ends its predecessor and no other, whatever order they come in.
   */
  const settleOthers = ({ principal_id, request_id, record }: Held, before: AgentRecord): void => {
    const { serial_number, instance, remote_address } = record
    for (const other of before.streams) {
      const { stream_id } = other
      const elsewhere = other.server_id !== server_id && fleet.isRunning(other.server_id, other.connected_at)
      if (other.serial_number === serial_number) {
        const replacement = { principal_id, serial_number, stream_id, instance, remote_address, request_id }
        if (elsewhere) aside('replacement_not_told', () => registry.tell([{ type: 'stream_replaced', ...replacement }]))
        else replaceHere(replacement)
      } else if (!elsewhere && localStream(principal_id, stream_id) === undefined)
        aside('leftover_not_removed', () => registry.agents.disconnect(principal_id, other))
    }
  }

  const attributionOf = ({ principal_id, request_id, record }: Held): Attribution => ({
    actor: principal_id,
    request_id,
    remote_address: record.remote_address,
  })

  const receiverOf = ({ lineage, record: { serial_number } }: Held): Receiver => ({ serial_number, lineage })

  /** The open commands of a row, as they are sent now: those of others' delivery are theirs. */
  const commandsFor = async (held: Held, open: OpenCommand[]): Promise<CommandEvent[]> => {
    const events: CommandEvent[] = []
    for (const command of open) {
      if (command.expires_at <= clock()) continue
      if (command.lineage !== undefined) {
        if (command.lineage === held.lineage) events.push(eventOf(command, true))
      } else if (await claim(attributionOf(held), held.principal_id, command.command_id, receiverOf(held)))
        events.push(eventOf(command, false))
    }
    return events
  }

  return {
    /** Makes a stream known, so that nothing that happens from now on is missed, and says what it begins with. */
    attach: async ({ caller, attribution }: CallerRequest, instance: string): Promise<Attached> => {
      const { principal, certificate } = caller
      const now = clock()
      const record: HeldStream = {
        serial_number: certificate.serial_number,
        server_id,
        stream_id: timeOrderedId(now),
        instance,
        connected_at: now,
        remote_address: attribution.remote_address,
        expires_at: certificate.expires_at,
      }
      const held: Held = {
        principal_id: principal.principal_id,
        issuer_id: certificate.issuer_id,
        lineage: lineageOf(certificate),
        request_id: attribution.request_id,
        record,
        heard_at: now,
        report_after: fleet.reportAfter(),
        silent: false,
        waiting: [],
      }
      const closed = (): void => {
        if (streams.remove(held))
          deps.outsideOfRequests(() => departures.add({ principalId: held.principal_id, stream: record, at: clock() }))
      }
      // 1. Here first: a command that the row does not have yet will come by the feed, and must find the stream.
      streams.add(held)
      try {
        // 2. The row names this server. A crash after it leaves a stream whose lease ends.
        const before = await inTurn(() => registry.agents.connect(principal.principal_id, record))
        settleOthers(held, before)
        // 3. Each command goes to one stream. A crash after it leaves them delivered, for the next snapshot.
        const commands = await commandsFor(held, before.commands)
        const { renew_after, renew_before } = deps.renewalWindow(certificate)
        const snapshot: AgentSnapshot = {
          commands,
          trust_bundle_version: deps.trustBundleVersion(),
          renew_after: toRfc3339(renew_after),
          renew_before: toRfc3339(renew_before),
          report_after_seconds: held.report_after,
        }
        return {
          snapshot,
          opened: (stream) => {
            held.stream = stream
            stream.send('snapshot', snapshot)
            for (const send of held.waiting.splice(0)) send()
          },
          closed,
        }
      } catch (error) {
        closed()
        throw error
      }
    },

    /** An agent has reported: see report-status.ts. */
    heard: async (
      { principal_id, serial_number }: { principal_id: string; serial_number: string },
      report: ReportStatus,
    ): Promise<Heard> => {
      const all = streams.of(principal_id)
      const held = all.find((one) => one.record.serial_number === serial_number) ?? all[0]
      if (held === undefined) return { news: true, written: () => undefined }
      held.heard_at = clock()
      held.report_after = fleet.reportAfter()
      if (held.silent) {
        await registry.agents.silence(principal_id, held.record)
        held.silent = false
      }
      const hash = sha256Hex(JSON.stringify(report))
      return {
        news: held.reported !== hash,
        written: () => {
          held.reported = hash
        },
      }
    },

    reportAfter: fleet.reportAfter,

    /** A command was given: sent, if its agent is here and nobody was faster. */
    deliver: (principalId: string, commandId: string): void => {
      const [held] = streams.of(principalId)
      if (held === undefined) return
      aside('command_not_delivered', async () => {
        const command = await claim(attributionOf(held), principalId, commandId, receiverOf(held))
        if (command !== undefined) sendTo(held, 'command', eventOf(command, false))
      })
    },

    /** Another server has begun a stream for a certificate that may have one here. */
    replaced: replaceHere,

    /** The trust bundle is another: each agent is told, over a while. */
    trustChanged: (): void => {
      const data = { trust_bundle_version: deps.trustBundleVersion() }
      const all = streams.all()
      const over = Math.min(longestTelling, (all.length / toldPerSecond) * second)
      for (const held of all) setTimeout(() => sendTo(held, 'trust_changed', data), deps.random() * over).unref()
    },

    /** Asks the holders of an issuer's certificates to renew, each at a moment of its own within `milliseconds`. */
    askToRenew: (issuerId: string, milliseconds: number): void => {
      const now = clock()
      const data = { renew_after: toRfc3339(now), renew_before: toRfc3339(now + milliseconds) }
      for (const held of streams.all()) if (held.issuer_id === issuerId) sendTo(held, 'renew', data)
    },

    size: streams.size,
    isAnnounced: fleet.isAnnounced,
    start: async (): Promise<void> => {
      silence.start()
      await fleet.start()
    },
    /** Says that its agents are elsewhere. */
    stop: async (): Promise<void> => {
      silence.stop()
      await Promise.race([departures.written(), new Promise((resolve) => setTimeout(resolve, second / 4))])
      await fleet.stop()
    },
  }
}
export type Hub = ReturnType<typeof makeHub>
