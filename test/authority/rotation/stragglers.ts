import t from 'tap'
import { agentsWithoutRoot } from '../../../src/authority/authorities/stragglers.ts'
import { second } from '../../../src/core/time.ts'
import { controlKey } from '../../../src/store/schema.ts'
import { openTestRegistry } from '../../support/registry.ts'
import { startTestStore } from '../../support/store.ts'

const testStore = await startTestStore()
const { registry, store, close } = openTestRegistry(testStore)
t.teardown(async () => {
  close()
  await testStore.stop()
})

const many = 600
const old = 'a'.repeat(64)
const next = 'b'.repeat(64)

t.test('many agents that are behind are found in time, and without time nobody says that all are ready', async (t) => {
  await registry.authorities.keepBundle({ version: 'old', sha256: [old] })
  await registry.authorities.keepBundle({ version: 'both', sha256: [old, next] })
  const now = Date.now()
  const { principals, control } = testStore.tables
  const puts = Array.from({ length: many }, (_, i) => {
    const id = `agent-${i}`
    // Every third one has the new root, and one says so of a bundle that no server has had.
    const trust_bundle_version = i === 1 ? 'invented' : i % 3 === 0 ? 'both' : 'old'
    const agent = {
      ...controlKey.agent(i % 8, id),
      connected_at: now,
      reported_at: now,
      report: { trust_bundle_version },
    }
    const principal = { principal_id: id, type: 'worker', status: i === 2 ? 'suspended' : 'active', version: 1 }
    return [{ Put: { TableName: control, Item: agent } }, { Put: { TableName: principals, Item: principal } }]
  })
  for (let at = 0; at < puts.length; at += 50) await store.transact(puts.slice(at, at + 50).flat())

  const deps = { registry, clock: Date.now }
  const { found, complete } = await agentsWithoutRoot(deps, next, 30 * second)
  t.equal(complete, true)
  t.equal(found.length, (many * 2) / 3 - 1, 'all of them, without the one that is not let in')
  t.match(
    found.find(({ id }) => id === 'agent-1'),
    { detail: /invented/ },
    'a version that nobody has written down is no acknowledgement',
  )
  t.same(await agentsWithoutRoot(deps, old, 30 * second).then((all) => all.found.map(({ id }) => id)), ['agent-1'])
  t.equal((await agentsWithoutRoot(deps, next, -1)).complete, false, 'and nobody takes that for ready')
})
