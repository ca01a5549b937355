import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../../..')
const began = performance.now()

/** One line of progress, on stderr at once: a deployment takes minutes. */
export const say = (text: string): void => {
  console.error(`${((performance.now() - began) / 1000).toFixed(0).padStart(4)} s  ${text}`)
}

export interface Answer {
  code: number | null
  stdout: string
  stderr: string
}

/** A child and what it has printed so far; `ended` resolves when it has, which it must within `timeoutMs`. */
export const start = (
  command: string,
  args: string[],
  env: Record<string, string>,
  timeoutMs: number,
): { child: ChildProcess; answer: Answer; ended: Promise<Answer> } => {
  const child = spawn(command, args, {
    cwd: root,
    env: { PATH: process.env['PATH'] ?? '', HOME: env['HOME'] ?? '/nonexistent', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  })
  const answer: Answer = { code: null, stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text) => {
    answer.stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    answer.stderr += text
  })
  const ended = once(child, 'close').then(([code]) => Object.assign(answer, { code }))
  return { child, answer, ended }
}

export const run = (
  command: string,
  args: string[],
  env: Record<string, string>,
  timeoutMs = 60_000,
): Promise<Answer> => start(command, args, env, timeoutMs).ended

/** The AWS CLI; throws what it said when it failed. JSON when there is something to read. */
export const makeAws =
  (env: Record<string, string>) =>
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
  async (...args: string[]): Promise<any> => {
    const { code, stdout, stderr } = await run(resolve(root, '.tools/bin/aws'), ['--output', 'json', ...args], env)
    if (code !== 0) throw new Error(`aws ${args.slice(0, 6).join(' ')}: ${stderr.trim()}`)
    return stdout.trim() === '' ? undefined : JSON.parse(stdout)
  }
export type Aws = ReturnType<typeof makeAws>

/** The sources of a program of ours, as a child of its own. */
export const ours = (program: 'cli' | 'server'): [command: string, main: string] => [
  process.execPath,
  resolve(root, 'src', program, 'main.ts'),
]
