import t from 'tap'
import { isControlError } from '../../src/core/errors.ts'
import { decodePageToken, encodePageToken } from '../../src/store/pages.ts'
import { principalRow } from '../support/http-apps.ts'
import { openTestRegistry } from '../support/registry.ts'
import { startTestStore } from '../support/store.ts'

const store = await startTestStore()
const { registry, plant, close } = openTestRegistry(store)
t.teardown(async () => {
  close()
  await store.stop()
})
const statuses = ['active', 'suspended', 'deleted'] as const
await plant({
  principals: Array.from({ length: 60 }, (_, i) => ({
    ...principalRow(`p-${i}`, i % 4 === 0 ? 'user' : 'worker'),
    status: statuses[i % 3] ?? 'active',
    created_at: 1000 + (i % 7),
  })),
})

const queries: [object, number][] = [
  [{}, 60],
  [{ status: 'suspended' }, 20],
  [{ type: 'user' }, 15],
  [{ type: 'user', status: 'deleted' }, 5],
]
t.test('all pages together hold each row once, whatever their size', async (t) => {
  for (const [query, expected] of queries)
    for (const limit of [1, 7, 20, 59, 60, 61, 500]) {
      const ids: string[] = []
      let page_token: string | undefined
      do {
        const page = await registry.principals.list({ ...query, limit, ...(page_token && { page_token }) })
        t.ok(page.items.length <= limit)
        ids.push(...page.items.map((row) => row.principal_id))
        page_token = page.next_page_token
      } while (page_token !== undefined)
      t.equal(ids.length, expected, `${JSON.stringify(query)}, ${limit} at a time`)
      t.equal(new Set(ids).size, expected)
    }
})

const filters = { list: 'principals', status: undefined, type: undefined }
const at = (position: object) => encodePageToken(filters, position)
const tokens: [string, string, string][] = [
  ['invalid_request', 'nothing', ''],
  ['invalid_request', 'no base64', '%%%'],
  ['invalid_request', 'no object', Buffer.from('7').toString('base64url')],
  ['invalid_request', 'null', Buffer.from('null').toString('base64url')],
  ['page_token_mismatch', 'another list’s', encodePageToken({ ...filters, type: 'user' }, { p: 'active' })],
  ['invalid_request', 'a key that is none', at({ p: 'active', k: 'x' })],
  ['invalid_request', 'a key with other names', at({ p: 'active', k: { a: 1 } })],
  [
    'invalid_request',
    'a key of another partition',
    at({ p: 'active', k: { principal_id: 'p-1', status: 'deleted', created_at: 1 } }),
  ],
  [
    'invalid_request',
    'a time that is text',
    at({ p: 'active', k: { principal_id: 'p-1', status: 'active', created_at: '1' } }),
  ],
  ['invalid_request', 'an empty id', at({ p: 'active', k: { principal_id: '', status: 'active', created_at: 1 } })],
]
t.test('a token that no list has given out is refused as such, not as a fault of the store', async (t) => {
  for (const [code, name, page_token] of tokens) {
    const error = await registry.principals.list({ limit: 5, page_token }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    t.ok(isControlError(error) && error.code === code, `${name}: ${isControlError(error) ? error.code : error}`)
  }
  t.match(decodePageToken(filters, at({ p: 'active' })), { p: 'active' })
})
