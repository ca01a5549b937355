import { createHash } from 'node:crypto'
import t from 'tap'
import { makePublishCrl, type Published } from '../../../src/authority/crl/publish-crl.ts'
import { makeWorkshop } from '../../../src/authority/crl/workshop.ts'
import type { CrlHead } from '../../../src/core/crl.ts'
import { timeOrderedId } from '../../../src/core/ids.ts'
import { day, hour, second } from '../../../src/core/time.ts'
import { chunkSize } from '../../../src/store/crl-files.ts'
import { makeAuthority } from '../../support/authority.ts'
import { Crash } from '../../support/crash.ts'
import { openTestRegistry } from '../../support/registry.ts'
import { startTestStore, storeCredentials } from '../../support/store.ts'

const testStore = await startTestStore()
const { registry, store, close, committed } = openTestRegistry(testStore)
const workshop = makeWorkshop({
  store: { tables: testStore.tables, endpoint: testStore.engine.endpoint, ...storeCredentials },
})
t.teardown(async () => {
  await workshop.stop()
  close()
  await testStore.stop()
})

let now = Date.now()
const clock = () => now
type Deps = Parameters<typeof makePublishCrl>[0]
/** A server of its own: each has a lease of its own. */
const makeServer = (more: Partial<Deps> = {}) =>
  makePublishCrl({ registry, workshop, clock, tablesHold: async () => true, onPublished: () => undefined, ...more })
const must = (published: Published | undefined): Published => {
  if (published === undefined) throw new Error('nothing was published')
  return published
}
const revoke = async (issuer_id: string): Promise<string> => {
  const serial_number = timeOrderedId(now)
  await store.transact([
    registry.crl.put({ issuer_id, serial_number, revoked_at: now, reason: 'key_compromise', expires_at: now + day }),
  ])
  return serial_number
}
const chunkKeys = async (issuerId: string): Promise<string[]> => {
  const { Items = [] } = await store.query({
    TableName: store.tables.control,
    KeyConditionExpression: 'pk = :pk',
    ExpressionAttributeValues: { ':pk': `CRLCHUNKS#${issuerId}` },
  })
  return Items.map(({ sk }) => String(sk))
}
const holds = (der: Uint8Array | undefined, serial: string) =>
  Buffer.from(der ?? []).includes(Buffer.from(serial, 'hex'))

t.test('numbers rise, and what is published is what the store gives back', async (t) => {
  const { issuer } = await makeAuthority()
  const publish = makeServer()
  const serial = await revoke(issuer.issuer_id)
  const first = must(await publish({ issuer }))
  t.ok(holds(first.der, serial))
  t.match(first.head, { entries: 1, final: false, size: first.der.length, chunks: 1 })
  t.equal(first.head.next_update - first.head.this_update, day)
  t.same(await registry.crlFiles.readChunks(first.head), first.der)
  const second = must(await publish({ issuer }))
  t.ok(second.head.number > first.head.number, 'within the same second, too')
  t.same(await chunkKeys(issuer.issuer_id), [`${second.head.build_id}#00000`], 'the older chunks are gone')
  t.equal(await registry.crlFiles.readChunks(first.head), undefined)
  t.match(committed.at(-1)?.changes, [{ type: 'crl_published', issuer_id: issuer.issuer_id }])
})

t.test('a restored table knows an older number, and the next is higher than any before all the same', async (t) => {
  const { issuer } = await makeAuthority()
  const publish = makeServer()
  const old = must(await publish({ issuer }))
  now += hour
  const lost = must(await publish({ issuer }))
  await registry.crlFiles.publish({ ...old.head }, lost.head.number)
  now += 2 * second
  t.ok(must(await publish({ issuer })).head.number > lost.head.number)
})

t.test('the last list is good until the issuer ends', async (t) => {
  const { issuer } = await makeAuthority()
  const { head } = must(await makeServer()({ issuer, final: true }))
  t.match(head, { final: true, next_update: issuer.not_after })
})

t.test('two servers at once: one builds', async (t) => {
  const { issuer } = await makeAuthority()
  const all = await Promise.all([makeServer()({ issuer }), makeServer()({ issuer }), makeServer()({ issuer })])
  t.equal(all.filter((one) => one !== undefined).length, 1)
})

t.test('who comes second, and finds that no list is due any more, makes none', async (t) => {
  const { issuer } = await makeAuthority()
  const { head } = must(await makeServer()({ issuer }))
  const looked: (CrlHead | undefined)[] = []
  const stillDue = (newest: CrlHead | undefined) => {
    looked.push(newest)
    return false
  }
  t.equal(await makeServer()({ issuer, stillDue }), undefined)
  t.match(looked, [{ number: head.number }])
  t.ok(await makeServer()({ issuer }), 'and holds up nobody')
})

t.test('one whose lease ran out and who was overtaken publishes nothing', async (t) => {
  const { issuer } = await makeAuthority()
  let overtaker: Published | undefined
  const slow = makeServer({
    workshop: {
      run: async (task, order) => {
        const answer = await workshop.run(task, order)
        if (task === 'finish') {
          now += 20 * second
          overtaker = await makeServer()({ issuer })
        }
        return answer
      },
    },
  })
  t.equal(await slow({ issuer }), undefined)
  t.equal((await registry.crlFiles.head(issuer.issuer_id))?.build_id, must(overtaker).head.build_id)
  t.same(await registry.crlFiles.readChunks(must(overtaker).head), must(overtaker).der, 'its chunks are whole')
})

t.test('one that was overtaken after it published takes nothing from the faster one', async (t) => {
  const { issuer } = await makeAuthority()
  let overtaker: Published | undefined
  const slow = makeServer({
    workshop: {
      run: async (task, order) => {
        if (task === 'remove') {
          now += 20 * second
          overtaker = await makeServer()({ issuer })
        }
        return workshop.run(task, order)
      },
    },
  })
  t.ok(await slow({ issuer }))
  t.same(await registry.crlFiles.readChunks(must(overtaker).head), must(overtaker).der)
})

t.test('nothing is signed while the tables may be restored ones, and the list of before stays', async (t) => {
  const { issuer } = await makeAuthority()
  const { head } = must(await makeServer()({ issuer }))
  await t.rejects(makeServer({ tablesHold: async () => false })({ issuer }), { code: 'store_unavailable' })
  t.match(await registry.crlFiles.head(issuer.issuer_id), { number: head.number })
  t.ok(await makeServer()({ issuer }), 'and holds up nobody')
})

/** Where a server dies, and whether its list is published by then. */
const crashes: [where: string, dies: (deps: { dead: () => never }) => Partial<Deps>, published: boolean][] = [
  ['while it reads', ({ dead }) => ({ workshop: { run: async () => dead() } }), false],
  [
    'when its chunks are written',
    ({ dead }) => ({
      workshop: {
        run: async (task, order) => {
          const answer = await workshop.run(task, order)
          return task === 'finish' ? dead() : answer
        },
      },
    }),
    false,
  ],
  ['before it tells anybody', ({ dead }) => ({ onPublished: dead }), true],
]

t.test('a server that dies anywhere leaves nothing that stops the next one', async (t) => {
  for (const [where, dies, published] of crashes) {
    const { issuer } = await makeAuthority()
    const { issuer_id } = issuer
    const before = must(await makeServer()({ issuer }))
    const serial = await revoke(issuer_id)
    let alive = true
    const dead = () => {
      alive = false
      throw new Crash(where)
    }
    // A dead process neither renews its lease nor gives it back.
    const workLeases: Deps['registry']['workLeases'] = {
      take: async (...args) => (alive ? registry.workLeases.take(...args) : true),
    }
    await t.rejects(makeServer({ registry: { ...registry, workLeases }, ...dies({ dead }) })({ issuer }), {
      message: where,
    })
    const left = await registry.crlFiles.head(issuer_id)
    t.equal(left?.build_id !== before.head.build_id, published, `${where}: what counts`)
    const whole = await registry.crlFiles.readChunks(left as CrlHead)
    t.equal(holds(whole, serial), published, `${where}: it is whole`)

    const other = makeServer()
    t.equal(await other({ issuer }), undefined, `${where}: the lease is taken`)
    now += 16 * second
    const next = must(await other({ issuer }))
    t.ok(next.head.number > (left?.number ?? 0))
    t.ok(holds(next.der, serial))
    t.same(await chunkKeys(issuer_id), [`${next.head.build_id}#00000`], `${where}: nothing is left behind`)
  }
})

t.test('a list of several chunks comes back whole, and not at all when one is missing or changed', async (t) => {
  const { issuer } = await makeAuthority()
  const { head } = must(await makeServer()({ issuer }))
  const der = Buffer.alloc(2 * chunkSize + 1, 7)
  const sha256 = createHash('sha256').update(der).digest('hex')
  const chunks = await registry.crlFiles.writeChunks(issuer.issuer_id, 'large', der, now)
  t.equal(chunks, 3)
  const large: CrlHead = { ...head, build_id: 'large', chunks, sha256 }
  t.same(await registry.crlFiles.readChunks(large), der)
  t.equal(await registry.crlFiles.readChunks({ ...large, chunks: 4 }), undefined)
  t.equal(await registry.crlFiles.readChunks({ ...large, sha256: '00'.repeat(32) }), undefined)
})

t.test('without the key of the issuer there is no list, and a wrong signature is never published', async (t) => {
  const [{ issuer }, other] = await Promise.all([makeAuthority(), makeAuthority()])
  const { signer, ...keyless } = issuer
  await t.rejects(makeServer()({ issuer: keyless }), { code: 'issuer_unavailable' })
  if (signer === undefined || other.issuer.signer === undefined) throw new Error('no key')
  const { sign } = other.issuer.signer
  await t.rejects(makeServer()({ issuer: { ...issuer, signer: { ...signer, sign } } }), /not by the key/)
  t.equal(await registry.crlFiles.head(issuer.issuer_id), undefined)
})

t.test('a store that does not answer is a failure, and the thread lives on', async (t) => {
  const { issuer } = await makeAuthority()
  const nowhere = makeWorkshop({
    store: { tables: testStore.tables, endpoint: 'http://127.0.0.1:9', ...storeCredentials },
  })
  t.teardown(nowhere.stop)
  for (const turn of [1, 2])
    await t.rejects(makeServer({ workshop: nowhere })({ issuer }), /registry does not answer/, `turn ${turn}`)
  t.ok(await makeServer()({ issuer }))
})
