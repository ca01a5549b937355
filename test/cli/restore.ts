import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { readExport } from '../../src/cli/restore/read-export.ts'
import { exportLine } from '../../src/core/audit-lines.ts'
import { runCli, workDirectory } from '../support/cli.ts'

const at = (minutes: number) => new Date(Date.UTC(2026, 10, 21, 7, minutes)).toISOString()
const head = (more: object = {}) => JSON.stringify({ format: 'airunner-audit/1', exported_at: at(30), ...more })
/** In no chain that holds: what a file proves is not asked here. */
const place = { chain: '1'.repeat(32), seq: 1, prev_hash: '2'.repeat(64), hash: '3'.repeat(64) }
const event = (minutes: number, action = 'principal.suspend', target = 'worker-1') =>
  exportLine({
    event_id: minutes.toString(16).padStart(32, '0'),
    at: at(minutes),
    actor: 'a',
    action,
    target,
    outcome: 'success',
    ...place,
  })
const end = (events: number) => JSON.stringify({ end: { checkpoints: 0, events, missing: 0, unlinked: 0 } })
const takenAt = Date.parse(at(10))
const all = { from: 0, takenAt, wanted: () => true, keys: [], now: Date.parse(at(31)) }

t.test('an export is read from the margin on, however its lines are cut', async (t) => {
  const path = join(await workDirectory(t), 'audit.jsonl')
  const long = event(20, 'principal.suspend', 'ü'.repeat(100_000))
  await writeFile(path, [head(), event(1), event(6), long, event(25, 'denied.x'), end(4)].join('\n'))
  const read = await readExport(path, {
    from: Date.parse(at(5)),
    takenAt,
    wanted: ({ action }) => action.startsWith('principal.'),
    keys: [],
    now: Date.parse(at(31)),
  })
  t.same(
    read.events.map((one) => one.at),
    [Date.parse(at(6)), Date.parse(at(20))],
  )
  t.equal(read.events[1]?.target.length, 100_000)
  t.equal(read.until, Date.parse(at(30)))
})

t.test('an export that would leave something out is refused before anything is changed', async (t) => {
  const path = join(await workDirectory(t), 'audit.jsonl')
  const cases: [string, string | Buffer, RegExp][] = [
    ['empty', '', /empty/],
    ['no head', event(20), /line 1/],
    ['another format', head().replace('audit/1', 'audit/9'), /line 1/],
    ['two heads', `${head()}\n${head()}`, /line 2/],
    ['cut off in a line', `${head()}\n${event(20)}\n${event(21).slice(0, 40)}`, /line 3/],
    ['an empty line', `${head()}\n\n${event(20)}\n`, /line 2/],
    ['no last line', `${head()}\n${event(20)}\n`, /no last line/],
    ['fewer events than its end counts', `${head()}\n${end(2)}\n`, /counts 2 lines of the kind events/],
    ['more after its end', `${head()}\n${end(0)}\n${event(20)}\n`, /line 3: it stands after the end/],
    [
      'begins too late',
      `${head({ since: at(11) })}\n${event(20)}\n${end(0)}\n`,
      /begins at .* after the restore point/,
    ],
    ['ends too early', `${head({ until: at(9) })}\n${event(8)}\n${end(0)}\n`, /ends at .* before the restore point/],
    ['made too early', `${head({ exported_at: at(9) })}\n${event(8)}\n${end(0)}\n`, /ends at/],
    ['a line without an end', Buffer.concat([Buffer.from(`${head()}\n`), Buffer.alloc(1_300_000, 'x')]), /line 2/],
  ]
  for (const [name, text, why] of cases) {
    await writeFile(path, text)
    await t.rejects(readExport(path, all), { message: why }, name)
  }
  await t.rejects(readExport(`${path}.none`, all), { message: /cannot read/ })
})

t.test('what is not said is asked for, before any table is touched', async (t) => {
  const tables = {
    AIRUNNER_PRINCIPAL_TABLE: 'ppp',
    AIRUNNER_CERT_TABLE: 'ccc',
    AIRUNNER_CONTROL_TABLE: 'ttt',
  }
  const confirm = ['restore', 'confirm', '--taken-at', '2026-11-01T00:00:00Z']
  const cases: [string, string[], Record<string, string>, number, RegExp][] = [
    ['no time', ['restore', 'confirm'], tables, 2, /--taken-at/],
    ['no source', confirm, tables, 2, /--audit-export FILE, or --revoke-issued-before/],
    ['two sources', [...confirm, '--audit-export', 'x', '--revoke-issued-before'], tables, 2, /what was taken away/],
    [
      'a key for no export',
      [...confirm, '--revoke-issued-before', '--audit-key', 'x'],
      tables,
      2,
      /verifies an export/,
    ],
    ['a time to come', ['restore', 'confirm', '--taken-at', '2999-01-01'], tables, 2, /in the future/],
    ['nobody to ask', [...confirm, '--revoke-issued-before'], tables, 2, /--yes/],
    ['no tables', [...confirm, '--revoke-issued-before', '-y'], {}, 3, /AIRUNNER_PRINCIPAL_TABLE/],
    ['two memories', [...confirm, '--store-epoch-file', 'x', '--store-epoch-parameter', '/x'], tables, 2, /together/],
    ['no such file', [...confirm, '--audit-export', '/nowhere/x', '-y'], tables, 3, /cannot read/],
    ['no reason', ['restore', 'accept', '-y'], tables, 2, /--reason/],
  ]
  for (const [name, argv, env, code, says] of cases) {
    const answer = await runCli(argv, { env })
    t.equal(answer.code, code, `${name}: ${answer.stderr}`)
    t.match(answer.stderr, says, name)
  }
})
