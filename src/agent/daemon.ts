import { FileProblem } from '../client/files.ts'
import { type Identity, isIdentity, lifeOf, nameOf, serialOf } from '../client/identity.ts'
import { Refusal } from '../client/refusal.ts'
import type { RotateStep } from '../client/rotate.ts'
import type { StateDirectory } from '../client/state.ts'
import { type Answer, TransportError } from '../client/transport.ts'
import { minute, second, toRfc3339 } from '../core/time.ts'
import type { AgentSnapshot, CommandEvent, RenewEvent, TrustChangedEvent } from '../wire/agent-events.ts'
import { makeAttempts } from './attempts.ts'
import { makeAlarm, makeTime, type World } from './clock.ts'
import { makeCommands } from './commands.ts'
import type { Vitals } from './health.ts'
import { makeHooks } from './hooks.ts'
import type { Log } from './log.ts'
import type { Notify } from './notify.ts'
import { becomeOther, changeOf, newSelf, renewAt, statusLine, takeWindow } from './self.ts'
import { makeSpeaker } from './speaker.ts'
import type { StreamEvent } from './sse.ts'
import { makeStream } from './stream.ts'
import { type DaemonOptions, type End, json, type Task, type Work } from './task.ts'
import { makeCheckTask, makeIdentityTask } from './tasks/identity.ts'
import { makeCommandTask, makeLeaveTask, makeResultTask } from './tasks/obey.ts'
import { makeHooksTask, makeStatusTask } from './tasks/report.ts'
import { makeTrustTask } from './tasks/trust.ts'
import { exitOf, shutOutWords, verdictOf, wordsOf } from './verdict.ts'

export interface DaemonDeps {
  options: DaemonOptions
  state: StateDirectory
  world: World
  signal: AbortSignal
  log: Log
  notify: Notify
  /** The server's clock by an answer, Unix milliseconds. */
  serverTime: (headers: Answer['headers']) => number | undefined
  onStep?: (step: RotateStep) => void
}

/** `--once` gives up on a thing after so many failures of it. */
const triesOfOnce = 3

/** The server's clock as the Date header tells it. */
export const dateOf = (headers: Answer['headers']): number | undefined => {
  const at = Date.parse(headers.date ?? '')
  return Number.isNaN(at) ? undefined : at
}

/** One agent over one state directory, from its start to its end. One thing is done at a time; only the stream goes on beside. */
export const makeDaemon = (deps: DaemonDeps) => {
  const { options, state, world, signal, log, notify } = deps
  const time = makeTime(world)
  const alarm = makeAlarm(world, signal)
  const self = newSelf(world.random())
  const inbox: CommandEvent[] = []
  let ready = false

  const storeOf = (name: string) => ({
    read: () => state.readFile(name).catch(() => undefined),
    write: (text: string) => state.writeFile(name, text),
  })
  const speaker = makeSpeaker({
    server: options.server,
    rootsPem: options.trust !== undefined && 'rootsPem' in options.trust ? options.trust.rootsPem : undefined,
    timeout: options.timeout,
    signal,
    onAnswer: ({ headers }) => {
      const at = deps.serverTime(headers)
      if (at !== undefined) time.learn(at)
    },
  })

  const hear = ({ event, data }: StreamEvent): void => {
    if (event === 'snapshot') {
      const snapshot = JSON.parse(data) as AgentSnapshot
      inbox.push(...snapshot.commands)
      self.wantedTrust = snapshot.trust_bundle_version
      takeWindow(self, snapshot)
    } else if (event === 'command') inbox.push(JSON.parse(data) as CommandEvent)
    else if (event === 'trust_changed') self.wantedTrust = (JSON.parse(data) as TrustChangedEvent).trust_bundle_version
    else if (event === 'renew') {
      takeWindow(self, JSON.parse(data) as RenewEvent, 'asked')
      log('renewal_asked', { at: toRfc3339(renewAt(self)) })
    }
  }

  const stream = makeStream({
    open: () =>
      speaker.openAs(self.identity as Identity, {
        method: 'GET',
        path: '/v1/agent/events',
        headers: { ...json, accept: 'text/event-stream', 'airunner-instance': options.instance },
      }),
    random: world.random,
    onEvent: (event) => {
      try {
        hear(event)
      } catch (error) {
        log('event_not_understood', { name: event.event, why: wordsOf(error) })
      }
      alarm.poke()
    },
    onState: (connected, error) => {
      if (signal.aborted) return
      log(connected ? 'stream_connected' : 'stream_ended', error === undefined ? {} : { why: wordsOf(error) })
      if (connected) self.reportDue = Number.NEGATIVE_INFINITY
      // Whether it was the certificate is asked with the one that counts by then.
      else if (error instanceof Refusal && error.problem.status === 401) self.checkWanted = true
      alarm.poke()
    },
  })

  const work: Work = {
    options,
    self,
    state,
    world,
    time,
    signal,
    log,
    speaker,
    hooks: makeHooks({
      hooks: options.hooks,
      timeout: options.hookTimeout,
      signal,
      now: time.now,
      store: storeOf('hooks.json'),
    }),
    commands: makeCommands({ store: storeOf('commands.json'), now: time.now }),
    counts: {
      renewals: { succeeded: 0, failed: 0 },
      joins: { succeeded: 0, failed: 0 },
      hooks: { succeeded: 0, failed: 0 },
      commands: { succeeded: 0, failed: 0 },
    },
    become: (identity, window) => {
      becomeOther(self, identity, window, world.random())
      if (!options.once) stream.reopen()
      if (!ready) notify.ready()
      ready = true
    },
    reconnect: () => stream.reopen(),
    attempts: (bounds = () => ({ first: second, most: minute })) =>
      makeAttempts({ monotonic: world.monotonic, random: world.random, bounds }),
    ...(deps.onStep === undefined ? {} : { onStep: deps.onStep }),
  }

  /** In the order of their weight. What the server's clock says is asked before anything is found to be due by ours. */
  const tasks: Task[] = [
    makeCheckTask(work),
    makeIdentityTask(work),
    makeLeaveTask(work),
    makeCommandTask(work, inbox),
    makeResultTask(work),
    makeTrustTask(work),
    makeHooksTask(work),
    makeStatusTask(work),
  ]

  const begin = async (): Promise<void> => {
    const { current, next } = await state.read()
    await work.commands.begin()
    await work.hooks.begin(current === undefined ? undefined : changeOf(current))
    // Without the stream nobody says whether the roots have changed: they are looked at.
    if (options.once) self.wantedTrust = ''
    self.unfinished = isIdentity(next)
    if (current === undefined) return
    log('started', {
      principal_id: nameOf(current).principalId,
      serial_number: serialOf(current),
      expires_at: toRfc3339(lifeOf(current).to),
    })
    // First: whoever is told that this program is ready may read them.
    await state.publish(current).catch((error: unknown) => {
      self.stateProblem = true
      log('state_problem', { why: wordsOf(error) })
    })
    work.become(current)
    self.checkWanted = true
  }

  /**
   * Whoever slept through a change of issuers or roots is told nothing any more, or does not believe it. What can be done
   * without the certificate is done once its time is over.
   */
  const isDeafAfterExpiry = (error: unknown): boolean =>
    error instanceof TransportError &&
    ['cut', 'refused', 'untrusted'].includes(error.failure) &&
    options.proof !== undefined &&
    self.identity !== undefined &&
    self.ended === undefined &&
    time.now() > lifeOf(self.identity).to

  /** What a failure ends with, if it is the end; otherwise it is said, and tried again later. */
  const onFailure = (task: Task, error: unknown): End | undefined => {
    if (signal.aborted) return undefined
    const verdict = verdictOf(error)
    if (verdict === 'shut_out' && error instanceof Refusal) {
      const { detail } = error.problem
      log('shut_out', { code: error.code, why: detail })
      return {
        code: 4,
        what: `the agent is not let in any more: ${shutOutWords(error.code)} (${error.code})`,
        ...(detail === undefined ? {} : { why: detail }),
        next: 'It stops trying. Ask an admin, then start it again.',
      }
    }
    if (verdict === 'ended' && error instanceof Refusal && self.ended === undefined) {
      self.ended = error.code
      log('certificate_ended', { code: error.code, rejoins: options.proof !== undefined })
      return undefined
    }
    if (isDeafAfterExpiry(error)) {
      self.ended = 'nothing, and the certificate has expired'
      log('certificate_ended', { why: wordsOf(error), rejoins: true })
      return undefined
    }
    if (error instanceof FileProblem) self.stateProblem = true
    const wait = task.attempts.failed(error instanceof Refusal ? error.retryAfter : undefined)
    log(`${task.name}_failed`, { why: wordsOf(error), again_in_seconds: Math.ceil(wait / 100) / 10 })
    return options.once && task.attempts.failures() >= triesOfOnce
      ? { code: exitOf(error), what: `${task.name} failed`, why: wordsOf(error) }
      : undefined
  }

  const runTask = async (task: Task): Promise<End | undefined> => {
    try {
      const end = await task.run()
      task.attempts.succeeded()
      return end
    } catch (error) {
      return onFailure(task, error)
    } finally {
      notify.status(statusLine(self))
    }
  }

  /** After sleep, a stop, or a clock that was set: nothing that was believed of time or network holds. */
  const noticeJump = (busy: boolean): boolean => {
    if (!time.jumped(busy)) return false
    log('clock_jumped', { now: toRfc3339(world.wall()) })
    for (const { attempts } of tasks) attempts.hurry()
    self.checkWanted = true
    self.restUntil = Number.NEGATIVE_INFINITY
    if (!options.once && self.identity !== undefined) stream.reopen()
    return true
  }

  const nextTask = (): Task | undefined => tasks.find((task) => task.attempts.ready() && task.ready())

  const endOfOnce = (): End => {
    const failed = work.hooks.reports().filter((report) => report.state === 'failed')
    return failed.length === 0
      ? { code: 0, what: 'done' }
      : { code: 1, what: `hooks have failed: ${failed.map(({ name }) => name).join(', ')}` }
  }

  return {
    /** Runs until it is stopped or has a reason to end; with `once`, until nothing is due. */
    run: async (): Promise<End> => {
      try {
        await begin()
        while (!signal.aborted) {
          const task = nextTask()
          if (task !== undefined) {
            const end = await runTask(task)
            if (end !== undefined) return end
            noticeJump(true)
            continue
          }
          if (options.once && !tasks.some((one) => one.ready())) return endOfOnce()
          await alarm.wait(() => noticeJump(false) || nextTask() !== undefined)
        }
        return { code: 143, what: '' }
      } finally {
        notify.stopping()
        stream.stop()
        speaker.close()
      }
    },
    vitals: (): Vitals => ({
      expiresIn: self.identity === undefined ? undefined : Math.round((lifeOf(self.identity).to - time.now()) / second),
      renewsIn: self.identity === undefined ? undefined : Math.round((renewAt(self) - time.now()) / second),
      connected: stream.connected(),
      ...work.counts,
      stateProblem: self.stateProblem,
    }),
  }
}
export type Daemon = ReturnType<typeof makeDaemon>
