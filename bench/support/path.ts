import { partsOf } from '../load/parts.ts'
import type { Plan } from '../load/plan.ts'
import type { Generator } from '../load/start.ts'
import { cpuOf, cpuOfStores, residentOf } from './accounting.ts'
import { pause } from './parallel.ts'
import type { OurServer } from './server.ts'
import type { Stage } from './stage.ts'
import { percentile } from './statistics.ts'

/** How much of a path is run. */
export interface Size {
  /** Operations of one run. */
  n: number
  /** Operations before the first run, on the same server. */
  warmUp: number
  inFlight: number
}

/** A request that is made again and again, alone. */
export interface PathCase {
  name: string
  /** What is measured, one line. */
  what: string
  size: Record<'quick' | 'full', Size>
  /** Makes all that it needs: a plan for the warm-up, and one for each run. */
  prepare(stage: Stage, size: Size, runs: number): Promise<{ warmUp: PlanOn; runs: PlanOn[] }>
}

/** Known when the server runs. */
export type PlanOn = (server: OurServer) => Plan

/** What one run says. */
export interface Sample {
  operations_per_second: number
  server_cpu_ms: number
  /** Of the embedded store, which is another process. */
  store_cpu_ms: number
  p50_ms: number
  p99_ms: number
  rss_mb: number
  /** Share of one core that the load generator used. */
  generator_cores: number
  retried: number
}

/** What a server does after it has answered belongs to the answer. Milliseconds. */
const aftermath = 100

/** Runs a plan against a server and accounts for it; for the opening of connections that are kept, it does not. */
export const measure = async (generator: Generator, pid: number, plan: Plan): Promise<Sample> => {
  const sum = { cpu: 0, stores: 0, seconds: 0, generator: 0, retried: 0 }
  const milliseconds: number[] = []
  for (const part of partsOf(plan)) {
    await generator.prepare(part)
    const [before, storesBefore] = [cpuOf(pid), cpuOfStores()]
    const load = await generator.go()
    await pause(aftermath)
    sum.cpu += cpuOf(pid) - before
    sum.stores += cpuOfStores() - storesBefore
    sum.seconds += load.seconds
    sum.generator += load.cpu
    sum.retried += load.retried
    milliseconds.push(...load.milliseconds)
  }
  const n = plan.jobs.length
  return {
    operations_per_second: n / sum.seconds,
    server_cpu_ms: sum.cpu / n,
    store_cpu_ms: sum.stores / n,
    p50_ms: percentile(milliseconds, 0.5),
    p99_ms: percentile(milliseconds, 0.99),
    rss_mb: residentOf(pid),
    generator_cores: sum.generator / 1000 / sum.seconds,
    retried: sum.retried,
  }
}
