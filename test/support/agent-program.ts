import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join, resolve } from 'node:path'
import type { Test } from 'tap'
import type { AgentLine } from './agent.ts'
import { compileCache } from './compile-cache.ts'

export const root = resolve(import.meta.dirname, '../..')
const fromSources = join(root, 'src/cli/main.ts')

/** Flags for Node under which it notes in a file what it loads. */
export const spyOn = (noted: string): string[] => [
  '--import',
  `data:text/javascript,${encodeURIComponent(`import { appendFileSync } from 'node:fs'; import { registerHooks } from 'node:module'
registerHooks({ resolve: (name, context, next) => { const found = next(name, context); appendFileSync(${JSON.stringify(noted)}, found.url + '\\n'); return found } })`)}`,
]

/** The real `airunner agent run`, in a process of its own that sees this environment and nothing else of ours. */
export const startAgentProgram = (
  t: Pick<Test, 'teardown'>,
  args: string[],
  { node = [], main = fromSources, env = {} }: { node?: string[]; main?: string; env?: Record<string, string> } = {},
) => {
  const child = spawn(process.execPath, [...node, main, 'agent', 'run', ...args], {
    env: { PATH: process.env['PATH'] ?? '', ...compileCache, HOME: '/nonexistent', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: AgentLine[] = []
  let stderr = ''
  let stdout = ''
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    stderr += chunk
    lines.length = 0
    for (const line of stderr.split('\n').slice(0, -1)) if (line.startsWith('{')) lines.push(JSON.parse(line))
  })
  t.teardown(() => child.kill('SIGKILL'))
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, stderr, stdout }))
  const event = async (name: string): Promise<AgentLine> => {
    for (;;) {
      const found = lines.find((line) => line.event === name)
      if (found !== undefined) return found
      const over = await Promise.race([once(child.stderr, 'data').then(() => false), ended.then(() => true)])
      if (over) throw new Error(`ended before ${name}: ${stderr}`)
    }
  }
  return { child, event, ended }
}
