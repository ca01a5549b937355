import { join } from 'node:path'
import { day } from '../../src/core/time.ts'
import { makeAuthority } from '../../test/support/authority.ts'
import { getRequest } from '../load/plan.ts'
import type { Generator } from '../load/start.ts'
import { temporaryFolder } from '../support/leavings.ts'
import { upTo } from '../support/parallel.ts'
import { measure, type PathCase, type PlanOn } from '../support/path.ts'
import { startStoreWithRows } from '../support/rows.ts'
import type { Scene } from '../support/scene.ts'
import type { OurServer } from '../support/server.ts'
import { layStage, type Member, type Stage } from '../support/stage.ts'
import { firstHandshake } from './handshake.ts'
import { issue } from './issue.ts'
import { revoke } from './revoke.ts'

const few = 100
/** Of each list so many pages, one after the other. */
const pages = 5
const measured: [string, PathCase][] = [
  ['admission', firstHandshake],
  ['issue', issue],
  ['revoke', revoke],
]
const lists = {
  principals: '/v1/principals',
  'principals by type': '/v1/principals?type=worker',
  'certificates by expiry': '/v1/certificates',
  'certificates of a principal': '/v1/certificates?principal_id=row-3',
  'revoked certificates': '/v1/certificates?status=revoked',
  'certificates that end soon': `/v1/certificates?status=active&expires_before=${new Date(Date.now() + 7 * day).toISOString()}`,
  'certificates of an unknown issuer': '/v1/certificates?issuer_id=fedcba9876543210',
  'audit events': '/v1/audit-events',
}

interface Registry {
  rows: number
  stage: Stage
  server: OurServer
  paths: { name: string; warmUp: PlanOn; runs: PlanOn[] }[]
  admin: Member
}

const open = async (rows: number, runs: number, quick: boolean, data: string | undefined): Promise<Registry> => {
  const authority = await makeAuthority()
  const directory = data === undefined ? temporaryFolder('rows') : join(data, String(rows))
  const { issuer_id } = authority.issuer
  const store = await startStoreWithRows({ certificates: rows, revokedShare: 0.1, issuer_id, directory })
  const stage = await layStage({ store, authority })
  const size = quick ? { n: 20, warmUp: 20, inFlight: 4 } : { n: 150, warmUp: 150, inFlight: 4 }
  const paths = []
  for (const [name, path] of measured) paths.push({ name, ...(await path.prepare(stage, size, runs)) })
  const [admin] = await stage.members(1, 'admin')
  return { rows, stage, paths, admin: admin as Member, server: await stage.start() }
}

const listing = async (generator: Generator, { stage, server, admin }: Registry, path: string): Promise<number> => {
  const plan = {
    address: server.mtls,
    ca: stage.authority.root_pem,
    identities: [admin.identity],
    jobs: upTo(pages).map(() => ({ who: 0, request: getRequest(path) })),
    connections: 'kept' as const,
    inFlight: 1,
    expect: 200,
  }
  return (await measure(generator, server.pid, plan)).p50_ms
}

/** Whether anything that a caller waits for grows with the registry. */
export const scene: Scene = {
  name: 'rows',
  what: 'registries with 100 and with many certificates (--rows, one in ten revoked), by turns; 150 operations of each path in a run after as many (quick: 20); the median of 5 pages of each list',
  run: async ({ quick, runs, rows, data, generator }) => {
    const registries: Registry[] = []
    const figures: Record<string, number[]> = {}
    const add = (name: string, value: number) => {
      figures[name] = [...(figures[name] ?? []), value]
    }
    try {
      for (const count of [few, rows]) registries.push(await open(count, runs, quick, data))
      for (const { server, paths } of registries)
        for (const { warmUp } of paths) await measure(generator, server.pid, warmUp(server))
      for (let run = 0; run < runs; run++) {
        for (const [place, [name]] of measured.entries()) {
          const costs: number[] = []
          for (const { rows, server, paths } of registries) {
            const plan = paths[place]?.runs[run]?.(server)
            if (plan === undefined) continue
            const { server_cpu_ms, p50_ms } = await measure(generator, server.pid, plan)
            costs.push(server_cpu_ms)
            add(`${name}, ${rows} rows: server_cpu_ms`, server_cpu_ms)
            add(`${name}, ${rows} rows: p50_ms`, p50_ms)
          }
          add(`${name}: ${rows} rows are times ${few}`, (costs[1] ?? 0) / (costs[0] ?? 0))
        }
        for (const [name, path] of Object.entries(lists))
          for (const registry of registries)
            add(`page of ${name}, ${registry.rows} rows: ms`, await listing(generator, registry, path))
      }
      return figures
    } finally {
      for (const { stage } of registries) await stage.end()
    }
  },
}
