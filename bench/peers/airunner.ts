import { makeAuthority } from '../../test/support/authority.ts'
import { handshake } from '../cases/handshake.ts'
import { issue } from '../cases/issue.ts'
import { keepAlive } from '../cases/keep-alive.ts'
import { renewFresh, renewKept } from '../cases/renew.ts'
import { revoke } from '../cases/revoke.ts'
import { temporaryFolder } from '../support/leavings.ts'
import type { PathCase } from '../support/path.ts'
import { startStoreWithRows } from '../support/rows.ts'
import { layStage } from '../support/stage.ts'
import type { Contender, PathName, Peer } from './contender.ts'

export const ourPaths = {
  handshake,
  'keep-alive': keepAlive,
  issue,
  'renew-kept': renewKept,
  'renew-fresh': renewFresh,
  revoke,
} satisfies Record<Exclude<PathName, 'revoke-many'>, PathCase>

export const airunner: Peer = {
  name: 'airunner',
  version: () => 'this commit',
  start: async ({ stage, sizes, runs }) => {
    const prepared = []
    for (const [name, path] of Object.entries(ourPaths) as [keyof typeof ourPaths, PathCase][])
      prepared.push([name, await path.prepare(stage, sizes[name], runs)] as const)
    const server = await stage.start()
    const plans: Contender['plans'] = {}
    for (const [name, { warmUp, runs }] of prepared)
      plans[name] = { warmUp: warmUp(server), runs: runs.map((plan) => plan(server)) }
    return {
      name: 'airunner',
      pid: server.pid,
      plans,
      notes: [
        'airunner: one process; its embedded store is another process and not in the figure, as DynamoDB would not be',
      ],
      end: () => server.end(),
    }
  },
}

export const airunnerFull: Peer = {
  name: 'airunner, full registry',
  version: () => 'this commit',
  start: async ({ sizes, runs, revoked }) => {
    const authority = await makeAuthority()
    const store = await startStoreWithRows({
      certificates: revoked.ours,
      revokedShare: 1,
      issuer_id: authority.issuer.issuer_id,
      directory: temporaryFolder('rows'),
    })
    const stage = await layStage({ store, authority })
    const prepared = await revoke.prepare(stage, sizes.revoke, runs)
    const server = await stage.start()
    return {
      name: 'airunner, full registry',
      pid: server.pid,
      plans: { 'revoke-many': { warmUp: prepared.warmUp(server), runs: prepared.runs.map((plan) => plan(server)) } },
      notes: [`airunner, full registry: ${revoked.ours.toLocaleString('en')} revoked before`],
      end: () => stage.end(),
    }
  },
}
