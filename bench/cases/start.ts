import { spawnSync } from 'node:child_process'
import { copyFileSync, symlinkSync } from 'node:fs'
import { get } from 'node:http'
import { join, resolve } from 'node:path'
import { freePort } from '../../test/support/free-port.ts'
import { contextOf, openConnection } from '../load/connection.ts'
import { getRequest } from '../load/plan.ts'
import { cpuOf, residentOf } from '../support/accounting.ts'
import { temporaryFolder } from '../support/leavings.ts'
import { pause } from '../support/parallel.ts'
import { startProcess, untilAnswers } from '../support/process.ts'
import { collect } from '../support/results.ts'
import type { Scene } from '../support/scene.ts'
import { fromSources } from '../support/server.ts'
import { layStage } from '../support/stage.ts'

const root = resolve(import.meta.dirname, '../..')

/** The programs as they are published and deployed, with the packages beside them. Answers the server's. */
const build = (): string => {
  const folder = temporaryFolder('dist')
  const { status, stdout } = spawnSync(
    join(root, 'node_modules/.bin/tsc'),
    ['-p', 'tsconfig.build.json', '--outDir', join(folder, 'dist')],
    { cwd: root, encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(`it does not build: ${stdout}`)
  copyFileSync(join(root, 'package.json'), join(folder, 'package.json'))
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  return join(folder, 'dist/server/main.js')
}

const isHealthy = (port: number): Promise<boolean> =>
  new Promise((done, failed) => {
    get({ host: '127.0.0.1', port, path: '/health', agent: false }, (response) => {
      response.resume()
      done(response.statusCode === 200)
    }).once('error', failed)
  })

/** One process without company, from its start on. */
export const scene: Scene = {
  name: 'start',
  what: 'start of the process → first 200 of /health and first admitted whoami, built and from the sources; then idle, nothing connected, read after 5 s and watched for 5 more',
  run: async ({ quick, runs }) => {
    const [settling, watching] = quick ? [1000, 2000] : [5000, 5000]
    const stage = await layStage()
    try {
      const [member] = await stage.members(1)
      const context = contextOf(member?.identity, stage.authority.root_pem)
      const start = async (program: string) => {
        const [mtls, health] = [await freePort(), await freePort()]
        const started = performance.now()
        const server = startProcess(
          process.execPath,
          [
            program,
            '--mtls-listen',
            `127.0.0.1:${mtls}`,
            '--health-listen',
            `127.0.0.1:${health}`,
            '--hostname',
            'localhost',
          ],
          { env: stage.env },
        )
        await untilAnswers(server, () => isHealthy(health), 5)
        const healthy = performance.now() - started
        const connection = openConnection(`127.0.0.1:${mtls}`, context)
        const { status, body } = await connection.ask(getRequest('/v1/whoami'))
        const admitted = performance.now() - started
        connection.close()
        if (status !== 200) throw new Error(body)
        return { server, healthy, admitted }
      }
      const built = build()
      const one = async () => {
        const sources = await start(fromSources)
        await sources.server.end()
        const { server, healthy, admitted } = await start(built)
        await pause(settling)
        const [rss, cpu, since] = [residentOf(server.pid), cpuOf(server.pid), performance.now()]
        await pause(watching)
        const busy = (cpuOf(server.pid) - cpu) / ((performance.now() - since) / 1000)
        await server.end()
        return {
          first_200_ms: healthy,
          first_admitted_whoami_ms: admitted,
          first_200_from_sources_ms: sources.healthy,
          first_admitted_whoami_from_sources_ms: sources.admitted,
          idle_rss_mb: rss,
          idle_cpu_ms_a_second: busy,
        }
      }
      const samples: object[] = []
      for (let run = 0; run < runs; run++) samples.push(await one())
      return collect(samples)
    } finally {
      await stage.end()
    }
  },
}
