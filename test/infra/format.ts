import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import t from 'tap'

const infra = resolve(import.meta.dirname, '../../infra')

t.test('infra/ is formatted', async (t) => {
  const { error, status, stdout } = spawnSync('terraform', ['fmt', '-check', '-recursive', '-diff', infra], {
    encoding: 'utf8',
    timeout: 20_000,
  })
  if (error !== undefined) {
    console.error('SKIPPED: format of infra/: terraform is not installed')
    t.pass('formatted', { skip: 'terraform is not installed' })
    return
  }
  t.equal(status, 0, stdout)
})
