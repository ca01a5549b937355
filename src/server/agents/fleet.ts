import { isLive, leaseEvery, leaseLife, reportAfter, type ServerLease } from '../../core/agent.ts'

export interface FleetDeps {
  server_id: string
  clock: () => number
  /** Event streams that this process holds. */
  streams: () => number
  /** What else the others are to know of this server. */
  about?: () => Omit<ServerLease, 'server_id' | 'renewed_at' | 'streams'>
  renew: (lease: ServerLease) => Promise<void>
  read: () => Promise<ReadonlyMap<string, ServerLease>>
  onFailure: (error: unknown) => void
}

/** The servers that run: this one's lease is renewed, those of the others are read. */
export const makeFleet = ({ server_id, clock, streams, about, renew, read, onFailure }: FleetDeps) => {
  let leases: ReadonlyMap<string, ServerLease> = new Map()
  let timer: NodeJS.Timeout | undefined
  let stopped = true
  let announced = false

  const beat = async (): Promise<void> => {
    const started = performance.now()
    try {
      await renew({ server_id, renewed_at: clock(), streams: streams(), ...about?.() })
      announced = true
      leases = await read()
    } catch (error) {
      onFailure(error)
    }
    if (!stopped) timer = setTimeout(beat, Math.max(0, leaseEvery - (performance.now() - started)))
  }

  return {
    start: async (): Promise<void> => {
      stopped = false
      await beat()
    },
    /** What it held is no longer online, from now on. */
    stop: async (): Promise<void> => {
      stopped = true
      clearTimeout(timer)
      await renew({ server_id, renewed_at: clock() - leaseLife, streams: 0 }).catch(onFailure)
    },
    /** Whether the others can know of this server: before that a rotation would not wait for it. */
    isAnnounced: (): boolean => announced,
    /** By what was read last; a server that is not known yet is running if it was there a moment ago, at `seenAt` (Unix ms). */
    isRunning: (serverId: string, seenAt: number): boolean => {
      const lease = leases.get(serverId)
      return lease === undefined ? clock() - seenAt < 2 * leaseLife : isLive(lease, clock())
    },
    /** How long agents shall wait between reports, whole seconds. */
    reportAfter: (): number => {
      const others = [...leases.values()].filter((lease) => lease.server_id !== server_id && isLive(lease, clock()))
      const held = others.reduce((sum, lease) => sum + lease.streams, streams())
      return reportAfter(held, others.length + 1)
    },
  }
}
export type Fleet = ReturnType<typeof makeFleet>
