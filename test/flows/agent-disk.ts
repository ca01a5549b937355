import { spawnSync } from 'node:child_process'
import {
  closeSync,
  constants,
  fsyncSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmdirSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { serialOf } from '../../src/client/identity.ts'
import { makeStateDirectory, patiently, readKept } from '../support/agent.ts'
import { startAgentProgram } from '../support/agent-program.ts'
import { eventually } from '../support/agent-stream.ts'
import { workDirectory } from '../support/cli.ts'
import { startPlane } from '../support/plane.ts'

const urlOf = (listen: string): string => `https://localhost:${listen.split(':').at(-1)}`

/** Gives a directory a file system of 64 KB of its own; false where that is not allowed. */
const mountSmall = (at: string): boolean =>
  spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', at]).status === 0
const unmount = (at: string) => spawnSync('umount', ['-l', at])

const trial = mkdtempSync(join(tmpdir(), 'airunner-mount-'))
const skip = mountSmall(trial) ? false : 'file systems can be mounted by root alone'
if (skip === false) unmount(trial)
else console.error(`SKIPPED: a full disk for real: ${skip}`)
rmdirSync(trial)

/** Takes every octet that is left. */
const fill = (path: string): void => {
  const file = openSync(path, constants.O_CREAT | constants.O_WRONLY)
  try {
    for (;;) writeSync(file, Buffer.alloc(512))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  } finally {
    fsyncSync(file)
    closeSync(file)
  }
}

for (const what of ['a disk that is full', 'a directory that is read-only'] as const)
  t.test(
    `${what}, for real: the agent keeps what it has, asks for nothing, and renews when it can write`,
    { skip },
    async (t) => {
      const plane = await startPlane(t)
      const { identity, issued } = await patiently(() => plane.enrol('worker-1'))
      const directory = await makeStateDirectory(t, plane, identity)
      const small = await workDirectory(t)
      t.equal(mountSmall(small), true)
      t.teardown(() => unmount(small))
      spawnSync('cp', ['-p', join(directory, 'identity.pem'), small])
      const args = ['--server', urlOf(plane.server.mtls), '--state-dir', small]
      const agent = startAgentProgram(t, args)
      await agent.event('stream_connected')
      const before = (await readKept(small)).chainPem
      const remount = (how: string) => t.equal(spawnSync('mount', ['-o', `remount,${how}`, small]).status, 0, how)
      if (what === 'a disk that is full') fill(join(small, 'rubbish'))
      else remount('ro')

      plane.server.plane.askToRenew(issued.certificate.issuer_id, 100)
      const failed = await agent.event('identity_failed')
      t.match(failed['why'], what === 'a disk that is full' ? /the disk is full/ : /read-only/)
      t.equal(
        (await plane.admin.get('/v1/certificates?principal_id=worker-1')).body.items.length,
        1,
        'nothing was asked for',
      )
      t.equal((await readKept(small)).chainPem, before, 'and nothing is torn')
      t.equal((await readKept(small, 'cert.pem').catch(() => undefined)) === undefined, true, 'the views hold no key')
      t.equal((await plane.admin.get('/v1/agents/worker-1')).body.presence, 'online', 'it lives on with what it has')
      const command = await plane.admin.post('/v1/agents/worker-1/commands', { command: 'renew' })
      await agent.event('command_refused')
      t.ok(
        await eventually(async () => {
          const { body } = await plane.admin.get('/v1/agents/worker-1')
          return body.commands.some((one: { command_id: string; state: string }) => one.state === 'failed')
        }),
        `${command.body.command_id} is not acted on without its id on disk`,
      )

      if (what === 'a disk that is full') rmSync(join(small, 'rubbish'))
      else remount('rw')
      const renewed = await agent.event('certificate_renewed')
      t.equal(serialOf(await readKept(small)), renewed['serial_number'])
      agent.child.kill('SIGTERM')
      t.match(await agent.ended, { code: 143 })
      t.notOk(readdirSync(small).some((name) => name.endsWith('.tmp')))
      t.match(await startAgentProgram(t, [...args, '--once']).ended, { code: 0 })
    },
  )
