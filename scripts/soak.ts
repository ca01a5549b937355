/**
 * A quarter of an hour in real time: real agent processes on 5-minute certificates, two servers behind a TCP balancer that
 * are restarted in turn, an outage longer than the time in which agents want to renew, agents killed with SIGKILL.
 * Ends with 1 when an agent was ever locked out or ends without a certificate that is let in.
 *
 *     node scripts/soak.ts [--minutes 15] [--agents 5]
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { minute, second } from '../src/core/time.ts'
import { makeStateDirectory, readKept } from '../test/support/agent.ts'
import { startBalancer } from '../test/support/balancer.ts'
import { findBreaches } from '../test/support/checker.ts'
import { type RunningServer, startPlane } from '../test/support/plane.ts'
import { requireNode } from './require-node.ts'

requireNode()
const { values } = parseArgs({ options: { minutes: { type: 'string' }, agents: { type: 'string' } } })
const length = Number(values.minutes ?? 15) * minute
const count = Number(values.agents ?? 5)
const main = resolve(import.meta.dirname, '../src/cli/main.ts')

const teardowns: (() => unknown)[] = []
const t = { teardown: (act: () => unknown) => void teardowns.push(act) } as Parameters<typeof startPlane>[0]
const began = Date.now()
const say = (text: string) => console.log(`${String(Math.round((Date.now() - began) / second)).padStart(4)} s  ${text}`)

const plane = await startPlane(t)
let servers: RunningServer[] = [plane.server, await plane.startServer()]
const balancer = await startBalancer(
  t,
  servers.map(({ mtls }) => mtls),
)

interface Member {
  id: string
  directory: string
  child?: ChildProcess
  events: Map<string, number>
  largest: number
  lost: string[]
}

const start = (member: Member): void => {
  const server = `https://localhost:${balancer.address.split(':')[1]}`
  const child = spawn(process.execPath, [main, 'agent', 'run', '--server', server, '--state-dir', member.directory], {
    env: { PATH: process.env['PATH'] ?? '', HOME: member.directory },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  member.child = child
  let rest = ''
  child.stderr.on('data', (chunk) => {
    const lines = `${rest}${chunk}`.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (!line.startsWith('{')) member.lost.push(line)
      else {
        const { event } = JSON.parse(line) as { event: string }
        member.events.set(event, (member.events.get(event) ?? 0) + 1)
        if (event === 'shut_out' || event === 'certificate_ended') member.lost.push(line)
      }
    }
  })
  child.on('exit', (code) => {
    if (code !== null && code !== 143) member.lost.push(`ended with ${code}`)
  })
}

/** Looked at all the time: resident memory, and whether key and certificate on disk fit. */
const watch = (member: Member): void => {
  try {
    const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${member.child?.pid}/status`, 'utf8'))?.[1]) / 1024
    member.largest = Math.max(member.largest, rss)
    const directory = join(member.directory, '.current')
    const certificate = new X509Certificate(readFileSync(join(directory, 'cert.pem')))
    const key = createPrivateKey(readFileSync(join(directory, 'key.pem')))
    // Between the two reads the link may have moved on.
    const again = new X509Certificate(readFileSync(join(directory, 'cert.pem')))
    if (again.serialNumber === certificate.serialNumber && !certificate.checkPrivateKey(key))
      member.lost.push('mismatch')
  } catch {
    // Not running, or not there yet.
  }
}

const members: Member[] = []
for (let number = 1; number <= count; number++) {
  const id = `worker-${number}`
  const { identity } = await plane.enrol(id, 'worker', 300)
  members.push({ id, directory: await makeStateDirectory(t, plane, identity), events: new Map(), largest: 0, lost: [] })
}
for (const member of members) start(member)
const watching = setInterval(() => {
  for (const member of members) watch(member)
}, 250)
say(`${count} agents on two servers, for ${length / minute} minutes`)

const replace = async (): Promise<void> => {
  const [old, other] = servers as [RunningServer, RunningServer]
  balancer.targets = [other.mtls]
  await old.stop()
  servers = [other, await plane.startServer()]
  balancer.targets = servers.map(({ mtls }) => mtls)
  say('a server was replaced')
}
const outage = async (): Promise<void> => {
  balancer.targets = []
  balancer.cut()
  say('both servers are out of reach')
  await sleep(90 * second)
  balancer.targets = servers.map(({ mtls }) => mtls)
  say('both servers are back')
}
const kill = async (): Promise<void> => {
  const member = members[Math.floor(Math.random() * members.length)] as Member
  member.child?.kill('SIGKILL')
  await sleep(second)
  start(member)
  say(`${member.id} was killed and started again`)
}

const troubles = [replace, kill, kill, outage, kill]
for (let turn = 0; Date.now() - began < length - 2 * minute; turn++) {
  await sleep(30 * second)
  await troubles[turn % troubles.length]?.()
}
await sleep(Math.max(0, length - (Date.now() - began)))

clearInterval(watching)
let failed = false
for (const member of members) {
  member.child?.kill('SIGTERM')
  const kept = await readKept(member.directory)
  const client = plane.clientOf({ certificate: kept.chainPem, key: kept.keyPem }, servers[0] as RunningServer)
  const { status } = await client.get('/v1/whoami')
  const good = status === 200 && member.lost.length === 0
  failed ||= !good
  const of = (event: string) => member.events.get(event) ?? 0
  say(
    `${good ? 'ok  ' : 'FAIL'} ${member.id}: ${of('certificate_renewed') + of('renewal_finished')} renewals, ${of('identity_failed')} failed tries, ${of('stream_connected')} connections, at most ${member.largest.toFixed(0)} MB`,
  )
  for (const line of member.lost) say(`     ${line}`)
}
const breaches = await findBreaches(plane.store.store)
for (const breach of breaches) say(`FAIL ${breach}`)
for (const act of teardowns.reverse()) await act()
for (const { directory } of members) rmSync(directory, { recursive: true, force: true })
process.exit(failed || breaches.length > 0 ? 1 : 0)
