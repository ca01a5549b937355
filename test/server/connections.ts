import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import type { Presented } from '../../src/auth/caller.ts'
import { day } from '../../src/core/time.ts'
import { makeConnections } from '../../src/server/connections.ts'
import { cpuTime } from '../support/cpu.ts'

/** The part of a socket that the registry uses: it closes when it is told to. */
class Peer extends EventEmitter {
  destroyed = false
  destroy() {
    if (this.destroyed) return this
    this.destroyed = true
    this.emit('close')
    return this
  }
  destroySoon() {
    this.destroy()
  }
}

const peer = () => new Peer() as unknown as Socket & Peer

const certificate = (serial: string, more: Partial<Presented> = {}): Presented => ({
  serial_number: serial,
  fingerprint: `f${serial}`,
  issuer_id: 'issuer-1',
  not_before: 0,
  expires_at: Date.now() + 90 * day,
  claimed: { principal_id: `p${serial}`, principal_type: 'worker' },
  ...more,
})

const start = () => {
  const logged: Record<string, unknown>[] = []
  const cuts: number[] = []
  let now = Date.now()
  const write = (fields: Record<string, unknown>) => void logged.push(fields)
  const connections = makeConnections({
    clock: () => now,
    log: { debug: write, info: write, warn: write, error: write },
    metrics: { revokedSocketCut: (seconds) => cuts.push(seconds) },
  })
  const open = (presented: Presented) => {
    const socket = peer()
    connections.add(socket, presented, '192.0.2.1')
    return socket
  }
  return { connections, logged, cuts, open, pass: (milliseconds: number) => (now += milliseconds), now: () => now }
}

t.test('a cut takes the connections of a certificate, and no other', async (t) => {
  const { connections, open, logged, cuts, now } = start()
  const [first, second, other] = [open(certificate('1')), open(certificate('1')), open(certificate('2'))]
  t.equal(connections.cut({ serial_number: '1' }, 'certificate_revoked', undefined, now() - 250), 2)
  t.ok(first.destroyed && second.destroyed && !other.destroyed)
  t.match(logged, [
    {
      event: 'connection_cut',
      cause: 'certificate_revoked',
      serial_number: '1',
      principal_id: 'p1',
      remote_address: '192.0.2.1',
    },
    { event: 'connection_cut' },
  ])
  t.same(cuts, [0.25, 0.25])
  t.equal(connections.cut({ serial_number: '1' }, 'certificate_revoked'), 0, 'again: nothing')
  t.equal(connections.size(), 1)
})

t.test('a cut leaves out the connection on which it was asked for', async (t) => {
  const { connections, open } = start()
  const [own, other] = [open(certificate('1')), open(certificate('1'))]
  t.equal(connections.cut({ principal_id: 'p1' }, 'principal_suspended', own), 1)
  t.ok(!own.destroyed && other.destroyed)
})

t.test('the principal is who was admitted, not who was claimed', async (t) => {
  const { connections, open } = start()
  const socket = open(certificate('1'))
  t.same(connections.countByType(), { worker: 1 })
  connections.identify(socket, 'somebody', 'admin')
  t.same(connections.countByType(), { admin: 1 })
  t.equal(connections.cut({ principal_id: 'p1' }, 'principal_suspended'), 0)
  t.equal(connections.cut({ principal_id: 'somebody' }, 'principal_suspended'), 1)
  t.same(connections.countByType(), {})
})

t.test('a certificate without names is counted as unknown', async (t) => {
  const { connections, open } = start()
  const { claimed: _, ...nameless } = certificate('1')
  open(nameless)
  t.same(connections.countByType(), { unknown: 1 })
})

t.test('an issuer takes all that it signed', async (t) => {
  const { connections, open } = start()
  const [one, two] = [open(certificate('1')), open(certificate('2', { issuer_id: 'issuer-2' }))]
  t.equal(connections.cut({ issuer_id: 'issuer-2' }, 'issuer_removed'), 1)
  t.ok(!one.destroyed && two.destroyed)
  t.equal(connections.cut({}, 'nobody is meant'), 0)
})

t.test('distinct certificates are named once', async (t) => {
  const { connections, open } = start()
  for (const serial of ['1', '1', '2']) open(certificate(serial))
  // One that shares a serial and is not the same: it must be looked at as well.
  open(certificate('1', { fingerprint: 'other' }))
  const held = [...connections.entries()].map(({ presented, principal_id }) => [presented.fingerprint, principal_id])
  t.same(held, [
    ['f1', 'p1'],
    ['other', 'p1'],
    ['f2', 'p2'],
  ])
})

t.test('a closed socket is forgotten', async (t) => {
  const { connections, open } = start()
  const socket = open(certificate('1'))
  t.equal(connections.presentedOf(socket)?.serial_number, '1')
  socket.destroy()
  t.equal(connections.presentedOf(socket), undefined)
  t.same([...connections.entries()], [])
  t.equal(connections.size(), 0)
})

t.test('a connection ends with its certificate', async (t) => {
  const { open, logged, now } = start()
  const short = open(certificate('1', { expires_at: now() + 30 }))
  // 90 days are more than a timer can hold: an overflow would fire at once.
  const long = open(certificate('2'))
  const late = open(certificate('3', { expires_at: now() - 1 }))
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.notOk(short.destroyed)
  t.notOk(late.destroyed, 'it is told why by admission')
  await new Promise((resolve) => setTimeout(resolve, 40))
  t.notOk(long.destroyed)
  t.notOk(short.destroyed, 'the clock of decisions has not moved')
  t.same(logged, [])
  long.destroy()
  short.destroy()
})

t.test('at the end of its certificate a connection is cut', async (t) => {
  const { open, logged, now, pass } = start()
  const socket = open(certificate('1', { expires_at: now() + 30 }))
  pass(30)
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.ok(socket.destroyed)
  t.match(logged, [{ event: 'connection_cut', cause: 'certificate_expired' }])
})

t.test('streams are told to reconnect when their certificate is finished', async (t) => {
  const { connections, open } = start()
  const told: number[] = []
  const socket = open(certificate('1'))
  connections.setStream(socket, { reconnect: (after) => told.push(after) })
  t.equal([...connections.streams()].length, 1)
  t.equal(connections.finish('1'), 1)
  t.same(told, [0])
  t.same([...connections.streams()], [], 'an idle socket ends at once')
})

t.test('20,000 connections: a cut of 100 touches 100', async (t) => {
  const { connections, open } = start()
  const sockets = Array.from({ length: 20_000 }, (_, index) => open(certificate(String(index % 200))))
  const started = cpuTime()
  t.equal(connections.cut({ serial_number: '7' }, 'certificate_revoked'), 100)
  const took = cpuTime() - started
  t.ok(took < 100, `${took.toFixed(2)} ms`)
  t.equal(connections.size(), 19_900)
  for (const socket of sockets) socket.destroy()
})
