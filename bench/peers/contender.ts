import type { Plan } from '../load/plan.ts'
import type { Generator } from '../load/start.ts'
import type { Size } from '../support/path.ts'
import type { Stage } from '../support/stage.ts'

/** What is compared. Not everybody can do everything. */
export const paths = {
  handshake: 'full mTLS handshake + smallest request',
  'keep-alive': 'smallest request on an open mTLS connection',
  issue: 'CSR in, certificate out, recorded',
  'renew-kept': 'renewal on an open connection',
  'renew-fresh': 'full handshake and renewal',
  revoke: 'one certificate revoked, registry nearly empty of revoked ones',
  'revoke-many': 'one certificate revoked, registry full of revoked ones',
} as const
export type PathName = keyof typeof paths

/** A server that runs, and what to do with it. */
export interface Contender {
  name: string
  pid: number
  /** A plan for the warm-up, then one for each run. */
  plans: Partial<Record<PathName, { warmUp: Plan; runs: Plan[] }>>
  /** What a reader must know to read its figures. */
  notes?: string[]
  end(): Promise<unknown>
}

export interface Bout {
  /** Our own stage: certificates for those who cannot issue. */
  stage: Stage
  generator: Generator
  /** The same for everybody, but for `revoke-many`, where each says its own. */
  sizes: Record<Exclude<PathName, 'revoke-many'>, Size>
  runs: number
  /** Certificates that are revoked before `revoke-many` is measured. */
  revoked: { ours: number; theirs: number }
}

/** Who is compared: the version that is installed here, or undefined. */
export interface Peer {
  name: string
  version(): string | undefined
  start(bout: Bout): Promise<Contender>
}
