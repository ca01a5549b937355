import t from 'tap'
import {
  compareMarks,
  type RememberedMark,
  readRemembered,
  type StoreMark,
  takesRightAway,
  writeRemembered,
} from '../../src/core/store-epoch.ts'

const [a, b] = ['a'.repeat(32), 'b'.repeat(32)]
const ids = { principals: '1', certificates: '2', control: '3' }
const inside = (epoch: string, number: number, published = true): StoreMark => ({
  epoch,
  number,
  published,
  moved_at: 1000,
})
const outside = (epoch: string, number: number, table_ids: typeof ids | undefined = ids): RememberedMark => ({
  epoch,
  number,
  moved_at: 1000,
  ...(table_ids && { table_ids }),
})
const held = (why: string) => ({ state: 'held', why })
const agree = (behind: boolean) => ({ state: 'agree', behind })

t.test('what tables and memory say together: every state', async (t) => {
  const table: [string, StoreMark | undefined, RememberedMark | undefined, typeof ids | undefined, object][] = [
    ['a first start', undefined, undefined, ids, { state: 'unmarked' }],
    ['a first start that was cut off', inside(a, 1, false), undefined, ids, agree(true)],
    ['the same, cut off a step later', inside(a, 1, false), outside(a, 1), ids, agree(true)],
    ['an ordinary start', inside(a, 7), outside(a, 7), ids, agree(false)],
    ['cut off between tables and memory', inside(a, 8), outside(a, 7), ids, agree(true)],
    ['a memory from before tables had ids', inside(a, 7), { epoch: a, number: 7, moved_at: 1000 }, ids, agree(true)],
    ['a store that tells no ids', inside(a, 7), outside(a, 7), undefined, agree(false)],
    ['restored to before the last move', inside(a, 6), outside(a, 7), ids, held('tables_older')],
    [
      'restored, and moved on as far as before',
      { ...inside(a, 7), moved_at: 1001 },
      outside(a, 7),
      ids,
      held('tables_older'),
    ],
    ['restored, the ids say so alone', inside(a, 7), outside(a, 7), { ...ids, control: '9' }, held('tables_replaced')],
    ['one table of three', inside(a, 7), outside(a, 7), { ...ids, certificates: '9' }, held('tables_replaced')],
    ['restored to before the last confirmation', inside(a, 99), outside(b, 1), ids, held('tables_of_another_epoch')],
    ['a confirmation that was cut off', inside(b, 1, false), outside(a, 7), ids, held('tables_of_another_epoch')],
    ['restored to before there were marks', undefined, outside(a, 7), ids, held('tables_unmarked')],
    ['the memory is gone', inside(a, 7), undefined, ids, held('memory_lost')],
  ]
  for (const [name, tables, memory, theirs, verdict] of table)
    t.same(compareMarks(tables, memory, theirs), verdict, name)
})

t.test('what is remembered is read back, and nothing else is taken for it', async (t) => {
  for (const mark of [outside(a, 7), { epoch: b, number: 0, moved_at: 1 }])
    t.same(readRemembered(writeRemembered(mark)), mark)
  const good = JSON.parse(writeRemembered(outside(a, 7)))
  const bad: [string, unknown][] = [
    ['nothing', ''],
    ['no object', 'null'],
    ['an array', '[]'],
    ['half of it', writeRemembered(outside(a, 7)).slice(0, -1)],
    ['another format', { ...good, format: 'airunner-store-epoch/2' }],
    ['no epoch', { ...good, epoch: '' }],
    ['an epoch in capitals', { ...good, epoch: 'A'.repeat(32) }],
    ['a negative number', { ...good, number: -1 }],
    ['a fraction', { ...good, number: 1.5 }],
    ['a number as text', { ...good, number: '7' }],
    ['beyond all numbers', { ...good, number: 2 ** 53 }],
    ['no time', { ...good, moved_at: null }],
    ['half of the ids', { ...good, table_ids: { principals: '1' } }],
    ['ids that are none', { ...good, table_ids: 'x' }],
    ['too long', { ...good, more: 'x'.repeat(3000) }],
  ]
  for (const [name, value] of bad)
    t.equal(readRemembered(typeof value === 'string' ? value : JSON.stringify(value)), undefined, name)
})

t.test('what takes a right away is known by its action', async (t) => {
  for (const action of [
    'certificate.revoke',
    'certificate.distrust',
    'principal.suspend',
    'principal.delete',
    'revocation.start',
    'join_token.revoke',
    'join_rule.update',
    'join_rule.delete',
    'authority.remove',
  ])
    t.ok(takesRightAway(action), action)
  for (const action of [
    'certificate.issue',
    'certificate.renew',
    'principal.activate',
    'join_token.use',
    'join_rule.create',
  ])
    t.notOk(takesRightAway(action), action)
})
