import type { ServerAddress } from '../client/address.ts'
import type { Identity } from '../client/identity.ts'
import type { FirstTrust } from '../client/join.ts'
import type { ProofSource } from '../client/proof.ts'
import type { RotateStep } from '../client/rotate.ts'
import type { StateDirectory } from '../client/state.ts'
import type { Attempts } from './attempts.ts'
import type { Time, World } from './clock.ts'
import type { Commands } from './commands.ts'
import type { Hook, Hooks } from './hooks.ts'
import type { Log } from './log.ts'
import type { Window } from './renewal.ts'
import type { Self } from './self.ts'
import type { Speaker } from './speaker.ts'

/** How an agent ended: the exit code, and what to say of it. */
export interface End {
  code: number
  what: string
  why?: string
  next?: string
}

/** Something to do: `run` when `ready`; what it throws is judged, and it is tried again later. */
export interface Task {
  name: string
  attempts: Attempts
  ready: () => boolean
  run: () => Promise<End | undefined>
}

export interface DaemonOptions {
  server: ServerAddress
  enrollServer: ServerAddress
  /** What the server is believed by until an identity brings its roots; and for joining, always when it is given. */
  trust: FirstTrust | undefined
  /** How to join, and to join again after expiry. */
  proof: ProofSource | undefined
  principalId: string | undefined
  metadata: Record<string, string>
  hooks: Hook[]
  /** Milliseconds. */
  hookTimeout: number
  /** Does what is due and ends. */
  once: boolean
  /** For a connection, and then for an answer; milliseconds. */
  timeout: number
  version: string
  hostname: string
  /** Of this start; random. */
  instance: string
}

export interface Counts {
  renewals: Outcomes
  joins: Outcomes
  hooks: Outcomes
  commands: Outcomes
}
interface Outcomes {
  succeeded: number
  failed: number
}

/** What tasks work with. */
export interface Work {
  options: DaemonOptions
  self: Self
  state: StateDirectory
  world: World
  time: Time
  signal: AbortSignal
  log: Log
  speaker: Speaker
  hooks: Hooks
  commands: Commands
  counts: Counts
  /** From now on this is who the agent is. */
  become: (identity: Identity, window?: Window) => void
  /** Opens the event stream anew. */
  reconnect: () => void
  attempts: (bounds?: () => { first: number; most: number }) => Attempts
  onStep?: (step: RotateStep) => void
}

/** Headers of every call. */
export const json = { accept: 'application/json', 'user-agent': 'airunner-agent' }
export const jsonBody = { ...json, 'content-type': 'application/json' }
