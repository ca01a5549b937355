import { ScanCommand } from '@aws-sdk/lib-dynamodb'
import t from 'tap'
import { noHash } from '../../src/core/audit-chain.ts'
import { timeOrderedId } from '../../src/core/ids.ts'
import { makeAudit } from '../../src/store/audit.ts'
import { linkOf } from '../../src/store/audit-link.ts'
import { makeChainWriter } from '../../src/store/chain-writer.ts'
import type { Item } from '../../src/store/client.ts'
import { failureOf } from '../../src/store/failures.ts'
import { findAuditBreaches } from '../support/audit-checker.ts'
import { openTestRegistry } from '../support/registry.ts'
import { startTestStore } from '../support/store.ts'

const testStore = await startTestStore()
t.teardown(testStore.stop)
const { registry, store, close } = openTestRegistry(testStore)
t.teardown(close)
const { auditChains, auditChainPages } = registry
const by = { actor: 'admin-test', request_id: 'test', remote_address: '192.0.2.7' }
const draft = (i: number) => ({
  action: 'principal.create',
  target: `worker-${i}`,
  after: { i, gone: undefined, '\ud83d\ude00': 'ü' },
})

const scanAll = async (): Promise<Item[]> => {
  const items: Item[] = []
  let ExclusiveStartKey: Item | undefined
  do {
    const page = await store.documents.send(
      new ScanCommand({ TableName: testStore.tables.control, ConsistentRead: true, ExclusiveStartKey }),
    )
    items.push(...((page.Items ?? []) as Item[]))
    ExclusiveStartKey = page.LastEvaluatedKey
  } while (ExclusiveStartKey !== undefined)
  return items
}

t.test('more events than a link takes are all linked, and read in pages of any size', async (t) => {
  const chain = makeChainWriter({ store, clock: Date.now, onFailure: (error) => t.fail(String(error)) })
  const audit = makeAudit(store, chain)
  const count = 620
  for (let i = 0; i < count; i += 20)
    await Promise.all(Array.from({ length: 20 }, (_, j) => audit.record(draft(i + j), by, Date.now())))
  await chain.round()
  t.same(findAuditBreaches(await scanAll(), true), [])
  for (const limit of [7, 500]) {
    const seen: number[] = []
    let page_token: string | undefined
    let hash = noHash
    do {
      const page = await auditChainPages.events({ chain: chain.name(), limit, ...(page_token && { page_token }) })
      t.ok(page.items.length <= limit)
      for (const { seq, prev_hash, hash: own, event } of page.items) {
        if (prev_hash !== hash || event === undefined) t.fail(`number ${seq}`)
        hash = own
        seen.push(seq)
      }
      page_token = page.next_page_token
    } while (page_token !== undefined)
    t.same(
      seen,
      Array.from({ length: count }, (_, i) => i + 1),
      `pages of ${limit}`,
    )
  }
  const links = await auditChains.linksSince(chain.name(), 0)
  t.equal(links.length, 2)
  const late = await auditChainPages.events({ chain: chain.name(), after: links[0]?.at ?? 0, limit: 10 })
  t.equal(late.items[0]?.seq, 501, 'after the time of a link comes the next')
  t.same((await auditChainPages.events({ chain: 'f'.repeat(32), limit: 10 })).items, [])
  const first = await auditChainPages.events({ chain: chain.name(), limit: 1 })
  await t.rejects(
    auditChainPages.events({ chain: 'f'.repeat(32), limit: 1, page_token: first.next_page_token as string }),
    { code: 'page_token_mismatch' },
  )
})

t.test('a chain never forks, and nothing follows its end', async (t) => {
  const name = timeOrderedId(Date.now())
  await auditChains.begin(name, noHash, Date.now())
  const head = await auditChains.get(name)
  if (head === undefined) throw new Error('no chain')
  const event = (i: number) => ({
    ...draft(i),
    ...by,
    event_id: timeOrderedId(Date.now()),
    at: Date.now(),
    outcome: 'success' as const,
  })
  const alive = { alive_at: Date.now(), linked_until: Date.now() }
  await auditChains.begin(name, 'f'.repeat(64), 0)
  t.same(await auditChains.get(name), head, 'what has begun does not begin again')
  const conditionFails = async (work: Promise<void>, what: string) =>
    t.equal(
      await work.then(
        () => 'done',
        (error) => failureOf(error).kind,
      ),
      'condition',
      what,
    )

  const link = linkOf(head, [event(1)], Date.now())
  await auditChains.advance(head, link, alive)
  await conditionFails(auditChains.advance(head, link, alive), 'the same again')
  await conditionFails(auditChains.advance(head, linkOf(head, [event(2)], Date.now()), alive), 'another after the same')
  const next = await auditChains.get(name)
  t.match(next, { seq: 1, hash: link.entries[0]?.hash })
  await auditChains.advance(next as typeof head, undefined, { ...alive, closed: true })
  await conditionFails(
    auditChains.advance(next as typeof head, linkOf(next as typeof head, [event(3)], Date.now()), alive),
    'after its end',
  )
  t.equal((await auditChains.linksSince(name, 0)).length, 1)
  await conditionFails(auditChains.forget({ chain: name, seq: 0 }), 'forgotten at another end')
  await auditChains.forget({ chain: name, seq: 1 })
  await auditChains.forget({ chain: name, seq: 1 })
  t.equal(await auditChains.get(name), undefined)
})
