import { DeleteCommand } from '@aws-sdk/lib-dynamodb'
import t from 'tap'
import { makeRevocationWorker } from '../../src/authority/mass-revocation.ts'
import type { RevocationRecord } from '../../src/core/revocation.ts'
import { day } from '../../src/core/time.ts'
import { controlKey } from '../../src/store/schema.ts'
import { startPlane } from '../support/plane.ts'
import { openTestRegistry } from '../support/registry.ts'
import { startTestStore } from '../support/store.ts'

const now = Date.now()
const recordOf = (revocation_id: string): RevocationRecord => ({
  revocation_id,
  state: 'pending',
  filter: {},
  reason: 'unspecified',
  dry_run: false,
  created_at: now,
  created_by: 'admin',
  spared_serial: 'none',
  request_id: 'r',
  remote_address: 'here',
  matched: 0,
  revoked: 0,
})

t.test('one that cannot be carried out holds up no other', async (t) => {
  const store = await startTestStore()
  const { registry, close, store: own } = openTestRegistry(store)
  t.teardown(async () => {
    close()
    await store.stop()
  })
  const [gone, broken, good] = ['0-gone', '1-broken', '2-good']
  for (const id of [gone, good]) await own.transact(registry.revocations.create(recordOf(id)))
  const { filter: _lost, ...rest } = recordOf(broken)
  await own.transact(registry.revocations.create(rest as RevocationRecord))
  await own.documents.send(new DeleteCommand({ TableName: store.tables.control, Key: controlKey.revocation(gone) }))
  const worker = makeRevocationWorker({ registry, clock: Date.now, horizon: () => now + day })
  for (const _ of [1, 2]) await worker.run().catch(() => undefined)
  t.equal((await registry.revocations.get(good))?.state, 'completed')
  t.equal(await registry.revocations.get(gone), undefined, 'nothing is made up of what is not there')
})

t.test(
  'whose certificates others revoke as compromised is kept from rejoining, but not who spared itself',
  async (t) => {
    const plane = await startPlane(t)
    await plane.enrol('worker-1')
    const { body } = await plane.admin.post('/v1/revocations', { all: true, reason: 'key_compromise' })
    let state = ''
    for (let tries = 0; tries < 100 && state !== 'completed'; tries++) {
      state = (await plane.admin.get(`/v1/revocations/${body.revocation_id}`)).body.state
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    t.equal(state, 'completed')
    t.equal((await plane.admin.get('/v1/principals/worker-1')).body.rejoin_blocked, true)
    t.equal((await plane.admin.get('/v1/principals/admin-test')).body.rejoin_blocked, false)
  },
)
