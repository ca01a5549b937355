/** An agent in a process of its own, which ends as by `kill -9` where it is told to. Started by tests alone. */
import type { AgentOptions } from '../../src/agent/main.ts'
import { runAgent } from '../../src/agent/main.ts'
import { systemDisk } from '../../src/client/files.ts'
import { worldOf } from './agent.ts'
import { disturbedDisk } from './crash.ts'

export interface ChildOrder {
  options: AgentOptions
  /** Of its clock, milliseconds. */
  shift: number
  /** Where it ends: behind a step of a renewal, or at a change of its files. */
  step?: string
  change?: { count: number; behind: boolean }
}

const { options, shift, step, change } = JSON.parse(process.argv[2] ?? '{}') as ChildOrder
const die = (): never => {
  process.kill(process.pid, 'SIGKILL')
  // The signal may take a moment to come.
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000)
}
const now = () => Date.now() + shift
const { code } = await runAgent(options, {
  stderr: process.stderr,
  env: {},
  signal: new AbortController().signal,
  world: worldOf(now),
  serverTime: () => now(),
  onStep: (done) => {
    if (done === step) die()
  },
  disk: disturbedDisk(systemDisk, async (count, _name, act) => {
    if (count === change?.count && !change.behind) die()
    await act()
    if (count === change?.count) die()
  }),
})
process.exit(code)
