import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { makeNotify } from '../../src/agent/notify.ts'
import { eventually } from '../support/agent-stream.ts'

t.test('the service manager is told through systemd-notify, each status once', async (t) => {
  const folder = t.testdir()
  const said = join(folder, 'said')
  writeFileSync(join(folder, 'systemd-notify'), `#!/bin/sh\necho "$NOTIFY_SOCKET $*" >> ${said}\n`)
  chmodSync(join(folder, 'systemd-notify'), 0o755)
  const problems: string[] = []
  const notify = makeNotify({ NOTIFY_SOCKET: '/run/x', PATH: `${folder}:/usr/bin:/bin` }, (why) => problems.push(why))
  const lines = () => (existsSync(said) ? readFileSync(said, 'utf8').trim().split('\n') : [])
  const until = async (count: number) => {
    for (let tries = 0; tries < 3000 && lines().length < count; tries++) await sleep(20)
  }
  notify.status('waiting to join')
  await until(1)
  notify.status('waiting to join')
  notify.ready()
  await until(2)
  notify.stopping()
  await until(3)
  t.same(lines(), [
    `/run/x --pid=${process.pid} --status=waiting to join`,
    `/run/x --pid=${process.pid} --ready`,
    `/run/x --pid=${process.pid} STOPPING=1`,
  ])
  t.same(problems, [])
})

t.test('without the program it is said once; without a service manager nothing is done', async (t) => {
  const problems: string[] = []
  const notify = makeNotify({ NOTIFY_SOCKET: '/run/x', PATH: t.testdir() }, (why) => problems.push(why))
  notify.ready()
  notify.status('a')
  t.ok(await eventually(() => problems.length > 0))
  notify.status('b')
  await sleep(100)
  t.equal(problems.length, 1)
  makeNotify({}, (why) => problems.push(why)).ready()
  t.equal(problems.length, 1)
})
