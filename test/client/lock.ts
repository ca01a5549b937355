import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { takeLock, withLock } from '../../src/client/lock.ts'

t.test('one at a time', async (t) => {
  const path = join(t.testdir(), 'lock')
  const release = await takeLock(path)
  await t.rejects(takeLock(path), { name: 'FileProblem', kind: 'held', why: new RegExp(`Process ${process.pid} `) })
  await release()
  t.notOk(existsSync(path))
  t.equal(await withLock(path, async () => 7), 7)
  await t.rejects(
    withLock(path, () => Promise.reject(new Error('x'))),
    /x/,
  )
  t.notOk(existsSync(path), 'released after a failure as well')
})

t.test('a lock whose process is gone is taken over, also when its number is in use again', async (t) => {
  const path = join(t.testdir(), 'lock')
  const { pid } = spawnSync('true')
  // The second: a process of that number lives (this one's parent), and was started at another time.
  for (const text of [`${pid} x`, `${process.ppid} another-boot/1`, '', 'x', '0']) {
    writeFileSync(path, text)
    const release = await takeLock(path)
    t.match(readFileSync(path, 'utf8'), new RegExp(`^${process.pid} `))
    await release()
  }
})
