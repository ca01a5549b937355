import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { writeSection } from '../../bench/support/page.ts'

const before = 'above\n<!-- measured: peers -->\n\nold\n\n<!-- end of peers -->\nbelow\n'

t.test('what was measured takes the place of what was, and nothing else', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'page-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'page.md')
  writeFileSync(file, before)
  for (const text of ['new', 'newer, $& and all']) {
    writeSection('peers', text, file)
    t.equal(
      readFileSync(file, 'utf8'),
      before.replace('old', () => text),
    )
  }
  t.throws(() => writeSection('rows', 'new', file), /measured: rows/)
})

t.test('the page has a place for each command', async (t) => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/performance.md'), 'utf8')
  for (const section of ['bench', 'peers', 'rows'])
    t.match(page, new RegExp(`<!-- measured: ${section} -->[^]*<!-- end of ${section} -->`))
})
