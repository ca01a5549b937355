import type { CommandName } from './command.ts'
import { minute, second } from './time.ts'

export const presences = ['online', 'stale', 'offline'] as const
export type Presence = (typeof presences)[number]

/** One hook of an agent, and how it ended last. */
export interface HookReport {
  name: string
  state: 'succeeded' | 'failed'
  at: string
  detail?: string
}

/** What an agent says of itself. */
export interface AgentReport {
  version: string
  hostname: string
  metadata: Record<string, string>
  trust_bundle_version: string
  certificate_expires_at: string
  hooks?: HookReport[]
}

/** An open event stream as the store knows it: one per certificate. Times in Unix milliseconds. */
export interface HeldStream {
  serial_number: string
  /** The process that holds it. */
  server_id: string
  /** New for each connection, so that an end is never mistaken for the end of a later one. */
  stream_id: string
  /** Random per start of the agent. */
  instance: string
  connected_at: number
  remote_address: string
  /** When its certificate ends. */
  expires_at: number
  /** Connected, but nothing was heard from the agent since. */
  silent_since?: number
}

/** A command that the agent has not ended yet, as its row keeps it. */
export interface OpenCommand {
  command_id: string
  command: CommandName
  hook_name?: string
  created_at: number
  expires_at: number
  /** Of the certificate that it was sent to; absent: nobody has it yet. */
  lineage?: string
}

/** What is known of the agent of one principal. Times in Unix milliseconds. */
export interface AgentRecord {
  principal_id: string
  streams: HeldStream[]
  commands: OpenCommand[]
  report?: AgentReport
  /** The last report that was written: one without news is not, where the stream is held. */
  reported_at?: number
  /** The end of the last stream. */
  disconnected_at?: number
  /** Of the last stream that began. */
  connected_at?: number
  serial_number?: string
  expires_at?: number
  remote_address?: string
}

/** A running server, as its lease says. Unix milliseconds. */
export interface ServerLease {
  server_id: string
  renewed_at: number
  /** Event streams that it holds. */
  streams: number
  /** Issuers that it can sign with; absent: it is of a version that knows of no rotation. */
  issuer_keys?: string[]
  /** The issuer that it signs with. */
  signs_with?: string
  /** It was given no issuer: it admits and revokes, and signs nothing. */
  verifies_only?: boolean
  trust_bundle_version?: string
}

export const leaseEvery = 2 * second
/** A lease that is older belongs to a server that is gone. */
export const leaseLife = 5 * second
/** From stale to offline. */
const staleFor = 10 * minute

export const isLive = (lease: ServerLease | undefined, now: number): boolean =>
  lease !== undefined && now - lease.renewed_at < leaseLife

export interface Seen {
  presence: Presence
  /** Unix milliseconds. */
  last_seen_at: number
  /** The newest of its streams, those of running servers first. */
  stream?: HeldStream
}

const isSilent = (stream: HeldStream, agent: AgentRecord): boolean =>
  stream.silent_since !== undefined && (agent.reported_at ?? 0) <= stream.silent_since

/** Whether an agent is there, at `now` (Unix ms), and when it was last known to be. */
export const seenOf = (agent: AgentRecord, leases: ReadonlyMap<string, ServerLease>, now: number): Seen => {
  const newestFirst = [...agent.streams].sort((a, b) => b.connected_at - a.connected_at)
  const live = newestFirst.filter((stream) => isLive(leases.get(stream.server_id), now))
  const speaking = live.find((stream) => !isSilent(stream, agent))
  // Its server vouches for it, as of its last lease.
  if (speaking !== undefined)
    return { presence: 'online', last_seen_at: leases.get(speaking.server_id)?.renewed_at ?? now, stream: speaking }
  const stream = live[0] ?? newestFirst[0]
  const last_seen_at = Math.max(
    agent.disconnected_at ?? 0,
    agent.reported_at ?? 0,
    stream?.silent_since ?? 0,
    stream?.connected_at ?? agent.connected_at ?? 0,
    // What a server said before it was gone.
    stream === undefined || stream.silent_since !== undefined ? 0 : (leases.get(stream.server_id)?.renewed_at ?? 0),
  )
  return {
    presence: now - last_seen_at < staleFor ? 'stale' : 'offline',
    last_seen_at,
    ...(stream === undefined ? {} : { stream }),
  }
}

/** Reports that the running servers are asked to take together. Per second and server. */
const reportsPerSecond = 100
const shortestReport = 25
const longestReport = 600

/** How long an agent waits until its next report: the larger the fleet, the longer. Whole seconds. */
export const reportAfter = (agents: number, servers: number): number =>
  Math.min(longestReport, Math.max(shortestReport, Math.ceil(agents / (reportsPerSecond * Math.max(1, servers)))))
