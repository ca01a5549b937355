import { join } from 'node:path'
import { startProcess } from '../support/process.ts'
import type { Peer } from './contender.ts'
import { floorPlans } from './floor.ts'

export const nodeHttps: Peer = {
  name: 'node:https',
  version: () => process.versions.node,
  start: async (bout) => {
    const ready = Promise.withResolvers<string>()
    const server = startProcess(process.execPath, [join(import.meta.dirname, 'bare-node.ts')], {
      env: bout.stage.env,
      onLine: (line) => ready.resolve(`127.0.0.1:${JSON.parse(line).port}`),
    })
    server.child.once('exit', () => ready.reject(new Error('bare node:https did not start')))
    const address = await ready.promise
    return {
      name: 'node:https',
      pid: server.pid,
      plans: floorPlans(bout, address, await bout.stage.crowd()),
      notes: ['node:https: createServer with the TLS settings of rpc-server, answers `ok`'],
      end: () => server.end(),
    }
  },
}
