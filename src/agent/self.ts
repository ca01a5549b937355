import { type Identity, lifeOf, nameOf, serialOf } from '../client/identity.ts'
import { versionOf } from '../client/roots.ts'
import { fileNames } from '../client/state.ts'
import { toRfc3339 } from '../core/time.ts'
import { renewalTime, type Window } from './renewal.ts'

/** What an agent knows of itself, and what follows from it. Changed by one task at a time. */
export interface Self {
  /** Who it is; nobody before it has joined. */
  identity: Identity | undefined
  /** A successor lies there whose first use may have ended the identity in place. */
  unfinished: boolean
  /** Why the server said that this certificate has ended. */
  ended: string | undefined
  /** When the server wants it renewed. */
  window: Window | undefined
  /** When it asked for this one to be renewed out of turn: that holds whatever is said of the turn afterwards. */
  asked: Window | undefined
  /** Where in the time for its renewal this certificate's falls, in [0, 1). */
  chance: number
  /** Not renewed again before, by the monotonic clock, unless it is told to. */
  restUntil: number
  /** The server is to be asked who we are. */
  checkWanted: boolean
  /** The version of the trust bundle that the server has, and one that was not taken. */
  wantedTrust: string | undefined
  refusedTrust: string | undefined
  /** When the next report is due, by the monotonic clock. */
  reportDue: number
  /** The state directory could not be written when it was last tried. */
  stateProblem: boolean
}

export const newSelf = (chance: number): Self => ({
  identity: undefined,
  unfinished: false,
  ended: undefined,
  window: undefined,
  asked: undefined,
  chance,
  restUntil: Number.NEGATIVE_INFINITY,
  checkWanted: true,
  wantedTrust: undefined,
  refusedTrust: undefined,
  reportDue: Number.NEGATIVE_INFINITY,
  stateProblem: false,
})

/** From now on this is who the agent is; what was believed of the one before is not believed of it. */
export const becomeOther = (self: Self, identity: Identity, window: Window | undefined, chance: number): void => {
  self.identity = identity
  self.window = window
  self.asked = undefined
  self.chance = chance
  self.ended = undefined
  self.checkWanted = false
  self.stateProblem = false
  self.reportDue = Number.NEGATIVE_INFINITY
}

/** Unix milliseconds; never, for nobody. */
export const renewAt = ({ identity, chance, window, asked }: Self): number => {
  if (identity === undefined) return Number.POSITIVE_INFINITY
  const inTurn = renewalTime(lifeOf(identity), chance, window)
  return asked === undefined ? inTurn : Math.min(inTurn, renewalTime(lifeOf(identity), chance, asked))
}

/** Takes over when the server wants the certificate renewed, if it says so in a way that can be read. */
export const takeWindow = (
  self: Self,
  given: { renew_after: string; renew_before: string },
  as: 'window' | 'asked' = 'window',
): void => {
  const window = { renew_after: Date.parse(given.renew_after), renew_before: Date.parse(given.renew_before) }
  if (Number.isFinite(window.renew_after) && Number.isFinite(window.renew_before)) self[as] = window
}

/** Names what other programs see in the state directory: another one is a change that hooks are run for. */
export const changeOf = (identity: Identity): string => `${serialOf(identity)}:${versionOf(identity.rootsPem)}`

/** What hooks are told, beside the environment of the agent. */
export const hookEnvironment = (identity: Identity, directory: string): Record<string, string> => ({
  AIRUNNER_STATE_DIR: directory,
  AIRUNNER_CERT_FILE: `${directory}/${fileNames.cert}`,
  AIRUNNER_KEY_FILE: `${directory}/${fileNames.key}`,
  AIRUNNER_CA_FILE: `${directory}/${fileNames.ca}`,
  AIRUNNER_PRINCIPAL_ID: nameOf(identity).principalId,
  AIRUNNER_SERIAL_NUMBER: serialOf(identity),
  AIRUNNER_EXPIRES_AT: toRfc3339(lifeOf(identity).to),
  AIRUNNER_TRUST_BUNDLE_VERSION: versionOf(identity.rootsPem),
})

/** How things stand, for a person. */
export const statusLine = (self: Self): string => {
  const { identity } = self
  if (identity === undefined) return 'waiting to join'
  const problem = self.stateProblem ? ', the state directory cannot be written' : ''
  return `${nameOf(identity).principalId}: expires ${toRfc3339(lifeOf(identity).to)}, renews ${toRfc3339(renewAt(self))}${problem}`
}
