import { type Identity, serialOf } from '../../client/identity.ts'
import { documentOf, Refusal } from '../../client/refusal.ts'
import type { CommandEvent } from '../../wire/agent-events.ts'
import type { Outcome } from '../commands.ts'
import { hookEnvironment } from '../self.ts'
import { type End, jsonBody, type Task, type Work } from '../task.ts'
import { verdictOf, wordsOf } from '../verdict.ts'
import { renew } from './identity.ts'
import { fetchTrust } from './trust.ts'

const runHook = async ({ self, hooks, state, counts }: Work, name: string, as: Identity): Promise<Outcome> => {
  const end = await hooks.runNamed(name, hookEnvironment(as, state.path))
  if (end === undefined) return { state: 'failed', output: `the configuration of this agent names no hook ${name}` }
  const how = end.ok ? 'succeeded' : 'failed'
  counts.hooks[how] += 1
  self.reportDue = Number.NEGATIVE_INFINITY
  return { state: how, output: end.output }
}

const act = async (work: Work, event: CommandEvent, as: Identity): Promise<Outcome> => {
  const { self } = work
  switch (event.command) {
    case 'renew':
      await renew(work, as)
      return { state: 'succeeded', output: `serial number ${serialOf(self.identity ?? as)}` }
    case 'reload_trust':
      self.refusedTrust = undefined
      return { state: 'succeeded', output: `trust bundle ${await fetchTrust(work, as)}` }
    case 'reconnect':
      work.reconnect()
      return { state: 'succeeded' }
    case 'run_hook':
      return runHook(work, event.hook_name ?? '', as)
    case 'leave':
      return { state: 'succeeded', output: `leaves serial number ${serialOf(as)}` }
    default:
      return { state: 'failed', output: `version ${work.options.version} does not know this command` }
  }
}

/** Obeys one command after the other. In the middle of a renewal that was cut off nothing else is begun. */
export const makeCommandTask = (work: Work, inbox: CommandEvent[]): Task => {
  const { self, commands, counts, log, signal } = work
  return {
    name: 'command',
    attempts: work.attempts(),
    ready: () => inbox.length > 0 && self.identity !== undefined && !self.unfinished,
    run: async () => {
      const event = inbox.shift() as CommandEvent
      const { command_id, command } = event
      const as = self.identity as Identity
      // 1. Its id is on disk before anything is done: after a crash it is not done again.
      try {
        if (!(await commands.accept(event))) return undefined
      } catch (error) {
        log('command_refused', { command_id, command, why: wordsOf(error) })
        commands.refuse(event, `its id cannot be kept, so it is not acted on: ${wordsOf(error)}`)
        return undefined
      }
      log('command_begun', { command_id, command, hook_name: event.hook_name })
      // 2. It is done, or fails.
      let outcome: Outcome
      try {
        outcome = await act(work, event, as)
      } catch (error) {
        outcome = { state: 'failed', output: wordsOf(error) }
        // Being shut out is told by who asks next.
        if (verdictOf(error) !== 'passing') self.checkWanted = true
      }
      // Stopped in the middle of it: the next start says so.
      if (signal.aborted && outcome.state === 'failed') return undefined
      // 3. What came of it is kept, and then reported.
      counts.commands[outcome.state] += 1
      await commands.finish(command_id, outcome, command === 'leave' ? serialOf(as) : undefined)
      log(`command_${outcome.state}`, { command_id, command })
      return undefined
    },
  }
}

/** Answers that would be the same if it were said again. */
const finalStatuses = [400, 403, 404, 409, 413, 422]

/** Reports what came of commands. */
export const makeResultTask = (work: Work): Task => {
  const { self, commands, speaker, log } = work
  return {
    name: 'result',
    attempts: work.attempts(),
    ready: () => self.identity !== undefined && !self.unfinished && commands.due().length > 0,
    run: async () => {
      for (const { command_id, result } of commands.due()) {
        const answer = await speaker.speakAs(self.identity as Identity, {
          method: 'POST',
          path: `/v1/agent/commands/${command_id}/result`,
          headers: { ...jsonBody, 'idempotency-key': `result-${command_id}` },
          body: JSON.stringify(result),
        })
        const done = answer.status >= 200 && answer.status < 300
        if (!done && !finalStatuses.includes(answer.status)) throw new Refusal(answer)
        if (!done) log('result_refused', { command_id, why: new Refusal(answer).message })
        await commands.reported(command_id)
      }
      return undefined
    },
  }
}

/** Gives the certificate up and ends. The result was sent before: afterwards nobody would take it. */
export const makeLeaveTask = (work: Work): Task => {
  const { self, commands, speaker, log } = work
  const leave = async (as: Identity): Promise<End> => {
    const serial = serialOf(as)
    try {
      documentOf(
        await speaker.speakAs(as, {
          method: 'POST',
          path: `/v1/certificates/${serial}/revoke`,
          headers: { ...jsonBody, 'idempotency-key': `leave-${serial}` },
          body: JSON.stringify({ reason: 'cessation_of_operation' }),
        }),
      )
    } catch (error) {
      if (!(error instanceof Refusal && error.code === 'certificate_revoked')) throw error
    }
    log('left', { serial_number: serial })
    return { code: 0, what: 'the agent has left, as it was told' }
  }
  return {
    name: 'leave',
    attempts: work.attempts(),
    ready: () =>
      self.identity !== undefined && commands.due().length === 0 && commands.leaving(serialOf(self.identity)),
    run: () => leave(self.identity as Identity),
  }
}
