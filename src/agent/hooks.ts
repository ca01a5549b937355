import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { toRfc3339 } from '../core/time.ts'
import type { HookReport } from '../wire/agents.ts'

/** Something that is done after a change: a command line for the shell, or a signal to a process. */
export type Hook =
  | { name: string; kind: 'exec'; command: string }
  | { name: string; kind: 'signal'; pidFile: string; signal: NodeJS.Signals }

const nameExpression = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** `NAME=COMMAND`, or a command line that is named by its program. A sentence on what is wrong otherwise. */
export const parseExec = (text: string): Hook | string => {
  const [, named, rest] = /^([a-z0-9][a-z0-9._-]{0,63})=(.+)$/s.exec(text) ?? []
  if (named !== undefined && rest !== undefined) return { name: named, kind: 'exec', command: rest }
  const name = basename(text.trim().split(/\s+/)[0] ?? '')
  if (!nameExpression.test(name)) return 'Give it a name: NAME=COMMAND.'
  return { name, kind: 'exec', command: text }
}

/** `PIDFILE:SIG`, the signal with or without SIG. A sentence on what is wrong otherwise. */
export const parseSignal = (text: string): Hook | string => {
  const at = text.lastIndexOf(':')
  const signal = `SIG${text
    .slice(at + 1)
    .toUpperCase()
    .replace(/^SIG/, '')}`
  if (at < 1 || !['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGWINCH'].includes(signal))
    return 'Expected PIDFILE:HUP, or USR1, USR2, INT, TERM, QUIT, WINCH.'
  const pidFile = text.slice(0, at)
  const name = basename(pidFile).replace(/[^A-Za-z0-9._-]/g, '-')
  return {
    name: nameExpression.test(name) ? name : 'signal',
    kind: 'signal',
    pidFile,
    signal: signal as NodeJS.Signals,
  }
}

/** How a hook ended, with what it said last. */
export interface HookEnd {
  ok: boolean
  /** Both its streams, the end of them. */
  output: string
}

const outputLimit = 4096
/** After SIGTERM, before SIGKILL. Milliseconds. */
const killAfter = 1000

const endGroup = (pid: number | undefined, signal: NodeJS.Signals): void => {
  try {
    if (pid !== undefined) process.kill(-pid, signal)
  } catch {
    // It has ended by itself.
  }
}

const runCommand = (
  command: string,
  { env, timeout, signal }: { env: Record<string, string>; timeout: number; signal: AbortSignal },
): Promise<HookEnd> =>
  new Promise((resolve) => {
    let output = ''
    let why: string | undefined
    // A group of its own, so that all of it can be ended.
    const child = spawn('/bin/sh', ['-c', command], { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    const collect = (chunk: Buffer) => {
      output = `${output}${chunk.toString('utf8')}`.slice(-outputLimit)
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    let killing: NodeJS.Timeout | undefined
    const stop = (because: string) => {
      why ??= because
      endGroup(child.pid, 'SIGTERM')
      killing = setTimeout(() => endGroup(child.pid, 'SIGKILL'), killAfter)
    }
    const limit = setTimeout(() => stop(`ended after ${timeout / 1000} s`), timeout)
    const onAbort = () => stop('interrupted: the agent was stopped')
    signal.addEventListener('abort', onAbort, { once: true })
    const done = (end: HookEnd) => {
      clearTimeout(limit)
      clearTimeout(killing)
      signal.removeEventListener('abort', onAbort)
      // What it left in the background may go on; its pipes are no longer ours to read.
      child.stdout.destroy()
      child.stderr.destroy()
      resolve(end)
    }
    child.on('error', (error) => done({ ok: false, output: error.message }))
    child.on('exit', (code, by) => {
      // What it wrote last may still lie in the pipes.
      setImmediate(() => {
        const said = why ?? (by === null ? `exit code ${code}` : `ended by ${by}`)
        const ok = why === undefined && code === 0
        done({ ok, output: ok ? output : `${said}${output === '' ? '' : `\n${output}`}`.slice(0, outputLimit) })
      })
    })
    if (signal.aborted) onAbort()
  })

const sendSignal = async ({ pidFile, signal }: Extract<Hook, { kind: 'signal' }>): Promise<HookEnd> => {
  try {
    const pid = Number((await readFile(pidFile, 'utf8')).trim().split(/\s/)[0])
    if (!Number.isInteger(pid) || pid < 2) return { ok: false, output: `${pidFile} holds no process id` }
    process.kill(pid, signal)
    return { ok: true, output: `sent ${signal} to ${pid}` }
  } catch (error) {
    return { ok: false, output: `${pidFile}: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}` }
  }
}

export interface HooksDeps {
  hooks: Hook[]
  /** For each of them, milliseconds. */
  timeout: number
  signal: AbortSignal
  now: () => number
  /** What was run for which change is kept here, so that a restart does not run it again. */
  store: { read(): Promise<string | undefined>; write(text: string): Promise<void> }
}

interface Kept {
  /** What hooks were run for, or are being run for. */
  change: string
  finished: boolean
  reports: HookReport[]
}

const readKept = (text: string | undefined): Kept | undefined => {
  try {
    const kept = JSON.parse(text ?? '') as Partial<Kept>
    return typeof kept.change === 'string'
      ? { change: kept.change, finished: kept.finished === true, reports: kept.reports ?? [] }
      : undefined
  } catch {
    return undefined
  }
}

/**
 * Runs the hooks once per change, one after the other. `change` names what is there now; a run that a crash cut off is made
 * again, because a program that was not told of its new certificate fails later and far away.
 */
export const makeHooks = ({ hooks, timeout, signal, now, store }: HooksDeps) => {
  let kept: Kept | undefined

  const keep = async (next: Kept): Promise<void> => {
    kept = next
    // A disk that is full forgets over a restart; the change itself is what matters.
    await store.write(`${JSON.stringify(next)}\n`).catch(() => {})
  }

  const runOne = async (hook: Hook, env: Record<string, string>): Promise<HookEnd & { report: HookReport }> => {
    const end =
      hook.kind === 'signal'
        ? await sendSignal(hook)
        : await runCommand(hook.command, {
            env: { ...(process.env as Record<string, string>), ...env },
            timeout,
            signal,
          })
    const detail = end.output.trim().slice(0, 256)
    return {
      ...end,
      report: {
        name: hook.name,
        state: end.ok ? 'succeeded' : 'failed',
        at: toRfc3339(now()),
        ...(detail === '' ? {} : { detail }),
      },
    }
  }

  return {
    /** Reads what an earlier run left. `change` becomes what hooks need not be run for, when nothing was kept. */
    begin: async (change: string | undefined): Promise<void> => {
      kept = readKept(await store.read())
      if (kept === undefined && change !== undefined) await keep({ change, finished: true, reports: [] })
    },
    isDue: (change: string): boolean => kept === undefined || kept.change !== change || !kept.finished,
    reports: (): HookReport[] => (kept?.reports ?? []).slice(0, 16),
    runAll: async (change: string, env: Record<string, string>): Promise<HookReport[]> => {
      await keep({ change, finished: false, reports: kept?.reports ?? [] })
      const reports: HookReport[] = []
      for (const hook of hooks) {
        if (signal.aborted) return reports
        reports.push((await runOne(hook, env)).report)
      }
      if (!signal.aborted) await keep({ change, finished: true, reports })
      return reports
    },
    /** One hook by its name, because it was asked for; undefined when the configuration names none such. */
    runNamed: async (name: string, env: Record<string, string>): Promise<HookEnd | undefined> => {
      const hook = hooks.find((candidate) => candidate.name === name)
      if (hook === undefined) return undefined
      const { report, ...end } = await runOne(hook, env)
      if (kept !== undefined)
        await keep({ ...kept, reports: [...kept.reports.filter((other) => other.name !== name), report] })
      return end
    },
  }
}
export type Hooks = ReturnType<typeof makeHooks>
