import t from 'tap'
import type { EventDraft } from '../../src/store/audit-event.ts'
import { openTestRegistry } from '../support/registry.ts'
import { startTestStore } from '../support/store.ts'

const store = await startTestStore()
const { registry, close } = openTestRegistry(store)
t.teardown(async () => {
  close()
  await store.stop()
})
const { audit } = registry
const attribution = { actor: 'admin', request_id: 'r', remote_address: '127.0.0.1' }

/** All pages of a list, joined. */
const all = async (query: Partial<Parameters<typeof audit.list>[0]>, limit: number) => {
  const ids: string[] = []
  let page_token: string | undefined
  do {
    const page = await audit.list({ since: 0, ...query, limit, ...(page_token && { page_token }) })
    ids.push(...page.items.map((event) => event.event_id))
    page_token = page.next_page_token
  } while (page_token !== undefined)
  return ids
}

t.test('events that fill more than one answer of the store are all listed', async (t) => {
  const metadata = Object.fromEntries(
    Array.from({ length: 16 }, (_, i) => [`${i}`.repeat(64).slice(0, 64), 'v'.repeat(256)]),
  )
  const draft: EventDraft = { action: 'principal.update', target: 'big', before: { metadata }, after: { metadata } }
  const count = 160
  for (let i = 0; i < count; i++) await audit.record(draft, attribution, Date.now() - i)
  for (const limit of [500, 130, 50]) {
    const ids = await all({ target: 'big' }, limit)
    t.equal(new Set(ids).size, count, `by target, ${limit} at a time`)
    t.same(ids, ids.toSorted().reverse(), 'newest first')
  }
})

t.test('a window and its filters hold across shards, days and pages', async (t) => {
  const now = Date.now()
  for (let i = 0; i < 40; i++)
    await audit.record(
      { action: i % 2 ? 'a' : 'b', target: `t${i}` },
      { ...attribution, actor: 'walker' },
      now - i * 9_000_000,
    )
  const window = { since: now - 30 * 9_000_000, actor: 'walker' }
  t.equal((await all(window, 7)).length, 31)
  t.equal((await all({ ...window, action: 'a' }, 7)).length, 15)
  t.equal((await all({ ...window, until: now - 9_000_000 }, 500)).length, 30)
})
