import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { cpuOf, familyOf } from '../support/accounting.ts'
import { measure } from '../support/path.ts'
import type { Scene } from '../support/scene.ts'
import { layStage } from '../support/stage.ts'
import { whoamiBy } from './handshake.ts'

/**
 * Handshakes of one process and of one per core. The load generator needs cores too, on the same machine: what the workers
 * could do with all cores for themselves follows from the CPU of a handshake and from how evenly they share the work.
 */
export const scene: Scene = {
  name: 'workers',
  what: `full handshakes + whoami with --workers 1 and with --workers auto (${availableParallelism()}), by turns: 1,500 (quick: 400) in a run after as many, 16 at once`,
  run: async ({ quick, runs, generator }) => {
    const n = quick ? 400 : 1500
    const stage = await layStage()
    try {
      const members = await stage.crowd()
      const plan = whoamiBy(stage, members, n, 'fresh', 16)
      const [one, auto] = [await stage.start(), await stage.start({ args: ['--workers', 'auto'] })]
      for (const server of [one, auto]) await measure(generator, server.pid, plan(server))
      const figures: Record<string, number[]> = {}
      const add = (name: string, value: number) => {
        figures[name] = [...(figures[name] ?? []), value]
      }
      const workers = familyOf(auto.pid).filter((pid) => pid !== auto.pid && isNode(pid))
      for (let run = 0; run < runs; run++) {
        const alone = await measure(generator, one.pid, plan(one))
        const before = workers.map(cpuOf)
        const shared = await measure(generator, auto.pid, plan(auto))
        const shares = workers.map((pid, index) => cpuOf(pid) - (before[index] ?? 0))
        const busiest = Math.max(...shares) / shares.reduce((a, b) => a + b, 0)
        add('one_worker_handshakes_per_second', alone.operations_per_second)
        add('auto_handshakes_per_second', shared.operations_per_second)
        add('one_worker_server_cpu_ms', alone.server_cpu_ms)
        add('auto_server_cpu_ms', shared.server_cpu_ms)
        add('one_worker_generator_cores', alone.generator_cores)
        add('auto_generator_cores', shared.generator_cores)
        add('auto_share_of_the_busiest_worker', busiest)
        add('auto_times_one_measured', shared.operations_per_second / alone.operations_per_second)
        // Each worker a core of its own; the busiest one is full first.
        add('auto_times_one_with_cores_for_themselves', alone.server_cpu_ms / shared.server_cpu_ms / busiest)
      }
      return figures
    } finally {
      await stage.end()
    }
  },
}

const isNode = (pid: number): boolean => readFileSync(`/proc/${pid}/comm`, 'utf8').trim() !== 'sh'
