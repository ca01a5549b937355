import { type Identity, lifeOf } from '../../client/identity.ts'
import { documentOf } from '../../client/refusal.ts'
import { versionOf } from '../../client/roots.ts'
import { hour, minute, second, toRfc3339 } from '../../core/time.ts'
import type { ReportStatus, StatusAnswer } from '../../wire/agents.ts'
import { changeOf, hookEnvironment, takeWindow } from '../self.ts'
import { jsonBody, type Task, type Work } from '../task.ts'

/** Runs the hooks for what has changed, and has their outcome reported. */
export const makeHooksTask = (work: Work): Task => {
  const { self, hooks, state, counts, log } = work
  return {
    name: 'hooks',
    attempts: work.attempts(),
    ready: () => self.identity !== undefined && hooks.isDue(changeOf(self.identity)),
    run: async () => {
      const identity = self.identity as Identity
      const reports = await hooks.runAll(changeOf(identity), hookEnvironment(identity, state.path))
      for (const { name, state: how, detail } of reports) {
        counts.hooks[how] += 1
        log(`hook_${how}`, { name, detail })
      }
      self.reportDue = Number.NEGATIVE_INFINITY
      return undefined
    },
  }
}

/** Until a server says how often it wants to hear. */
const reportAfter = 5 * minute

/** Reports how the agent is; that acknowledges its trust bundle as well. */
export const makeStatusTask = (work: Work): Task => {
  const { options, self, world, speaker, hooks } = work
  return {
    name: 'status',
    attempts: work.attempts(() => ({ first: 2 * second, most: 2 * minute })),
    ready: () =>
      self.identity !== undefined &&
      !self.checkWanted &&
      !self.unfinished &&
      world.monotonic() >= self.reportDue &&
      !hooks.isDue(changeOf(self.identity)),
    run: async () => {
      const identity = self.identity as Identity
      const reports = hooks.reports()
      const status: ReportStatus = {
        version: options.version,
        hostname: options.hostname,
        metadata: options.metadata,
        trust_bundle_version: versionOf(identity.rootsPem),
        certificate_expires_at: toRfc3339(lifeOf(identity).to),
        ...(reports.length === 0 ? {} : { hooks: reports }),
      }
      const answer = await speaker.speakAs(identity, {
        method: 'PUT',
        path: '/v1/agent/status',
        headers: jsonBody,
        body: JSON.stringify(status),
      })
      // Who is no worker and no service has no status.
      if (answer.status === 403 || answer.status === 404) {
        self.reportDue = world.monotonic() + hour
        return undefined
      }
      const told = documentOf<StatusAnswer>(answer)
      takeWindow(self, told)
      // Spread, so that a fleet that was started together does not speak together.
      const after = told.report_after_seconds * second || reportAfter
      self.reportDue = world.monotonic() + after * (0.8 + 0.2 * world.random())
      return undefined
    },
  }
}
