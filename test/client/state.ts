import { createPrivateKey, X509Certificate } from 'node:crypto'
import { chmodSync, existsSync, lstatSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { systemDisk } from '../../src/client/files.ts'
import { askWithNewKey, isIdentity, renderIdentity, serialOf } from '../../src/client/identity.ts'
import { openStateDirectory } from '../../src/client/state.ts'
import { makeAuthority } from '../support/authority.ts'
import { Crash, crashingDisk } from '../support/crash.ts'
import { identityFor } from '../support/identities.ts'

const authority = await makeAuthority()
const now = Date.now()
const first = await identityFor(authority, askWithNewKey('worker-1'), now)
const asked = askWithNewKey('worker-1')
const second = await identityFor(authority, asked, now + 1000)

/** What other programs see: a pair that fits, or nothing. */
const shown = (directory: string): string | undefined => {
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(directory, name)) as [string, string]
  if (!existsSync(key) && !existsSync(cert)) return undefined
  if (!existsSync(key) || !existsSync(cert)) return 'half'
  const certificate = new X509Certificate(readFileSync(cert))
  return certificate.checkPrivateKey(createPrivateKey(readFileSync(key))) ? serialOf({ certificate }) : 'mismatch'
}

const directoryWith = (t: Test, files: Record<string, string>): string => {
  const directory = t.testdir(files)
  if ('key.pem' in files) chmodSync(join(directory, 'key.pem'), 0o600)
  return directory
}

t.test('what is published fits, with the modes of secrets', async (t) => {
  const directory = directoryWith(t, {})
  const state = openStateDirectory(directory, systemDisk)
  await state.replace(first)
  await state.publish(first)
  t.equal(shown(directory), serialOf(first))
  t.equal(statSync(join(directory, 'identity.pem')).mode & 0o777, 0o600)
  t.equal(statSync(join(directory, 'key.pem')).mode & 0o777, 0o600)
  t.equal(readFileSync(join(directory, 'ca.pem'), 'utf8'), authority.root_pem)
  t.equal(readFileSync(join(directory, 'cert.pem'), 'utf8'), first.chainPem)
  const read = await state.read()
  t.equal(read.current && serialOf(read.current), serialOf(first))
  t.equal(read.next, undefined)
})

t.test('published again, nothing is written', async (t) => {
  const directory = directoryWith(t, {})
  await openStateDirectory(directory, systemDisk).publish(first)
  const disk = crashingDisk(systemDisk, Number.POSITIVE_INFINITY, 'before')
  await openStateDirectory(directory, disk).publish(first)
  t.same(
    disk.done.filter((name) => !name.startsWith('makeDirectory')),
    [],
  )
})

t.test('only the generation in use and the one before are kept', async (t) => {
  const directory = directoryWith(t, {})
  const state = openStateDirectory(directory, systemDisk)
  for (let count = 0; count < 4; count++) await state.publish(await identityFor(authority, asked, now + count * 1000))
  t.equal(readdirSync(directory).filter((name) => name.startsWith('.generation')).length, 2)
})

const layouts: [name: string, files: Record<string, string>][] = [
  ['an empty directory', {}],
  [
    'plain files of the identity before',
    { 'cert.pem': first.chainPem, 'key.pem': first.keyPem, 'ca.pem': authority.root_pem },
  ],
  ['plain files without a bundle', { 'cert.pem': first.chainPem, 'key.pem': first.keyPem }],
]
for (const [name, files] of layouts)
  for (const when of ['before', 'amid', 'behind'] as const)
    t.test(`${name}: a crash ${when} any change leaves a pair that fits, and the next start finishes`, async (t) => {
      let crashes = 0
      for (let at = 1; at < 60; at++) {
        const directory = directoryWith(t, files)
        if (name.startsWith('plain')) t.equal(shown(directory), serialOf(first))
        const disk = crashingDisk(systemDisk, at, when)
        const dying = openStateDirectory(directory, disk)
        const die = async () => {
          await dying.ask(asked)
          await dying.receive(second)
          await dying.promote()
          await dying.publish(second)
        }
        const died = await die().then(
          () => false,
          (error: unknown) => {
            if (error instanceof Crash) return true
            throw error
          },
        )
        const before = shown(directory)
        if (before === 'mismatch') t.fail(`mismatch after ${disk.done.at(-1)}`)
        // While the links are made for the first time one of them may be missing, never one that does not fit.
        if (before === 'half' && name.startsWith('plain')) t.fail(`half a pair after ${disk.done.at(-1)}`)
        const state = openStateDirectory(directory, systemDisk)
        const { current, next } = await state.read()
        if (isIdentity(next)) {
          t.equal(serialOf(next), serialOf(second))
          await state.promote()
          await state.publish(next)
        } else if (next !== undefined) {
          t.equal(next.csrPem, asked.csrPem, 'the same request is sent again')
          await state.receive(second)
          await state.promote()
          await state.publish(second)
        } else if (current !== undefined) await state.publish(current)
        else await state.publish(second)
        const kept = await state.read()
        if (kept.next !== undefined) t.fail('something still waits')
        const after = shown(directory)
        if (kept.current !== undefined && after !== serialOf(kept.current))
          t.fail(`${after} is shown after ${disk.done.at(-1)}`)
        t.same(
          readdirSync(directory).filter((file) => file.endsWith('.tmp')),
          [],
          'nothing torn is left',
        )
        rmSync(directory, { recursive: true })
        if (!died) break
        crashes++
      }
      t.ok(crashes >= 9, `${crashes} places to crash`)
    })

t.test('an identity that somebody put in cert.pem and key.pem later is taken over', async (t) => {
  const directory = directoryWith(t, {})
  const state = openStateDirectory(directory, systemDisk)
  await state.replace(first)
  await state.publish(first)
  for (const [name, text] of [
    ['cert.pem', second.chainPem],
    ['key.pem', second.keyPem],
  ] as const) {
    rmSync(join(directory, name))
    writeFileSync(join(directory, name), text)
  }
  const { current } = await state.read()
  t.equal(current && serialOf(current), serialOf(second))
  t.equal(current?.rootsPem, authority.root_pem)
  await state.publish(second)
  t.equal(shown(directory), serialOf(second))
  t.ok(lstatSync(join(directory, 'cert.pem')).isSymbolicLink())
})

t.test('an older one is not, nor half of one', async (t) => {
  const directory = directoryWith(t, {
    'identity.pem': renderIdentity(second),
    'cert.pem': first.chainPem,
    'key.pem': first.keyPem,
  })
  const state = openStateDirectory(directory, systemDisk)
  const { current } = await state.read()
  t.equal(current && serialOf(current), serialOf(second))
  writeFileSync(join(directory, 'cert.pem'), second.chainPem)
  t.equal(serialOf((await state.read()).current ?? first), serialOf(second))
})

t.test('a file that is no identity is said to be none', async (t) => {
  for (const text of ['', 'x', first.keyPem, `${asked.keyPem}${first.chainPem}`]) {
    const directory = directoryWith(t, { 'identity.pem': text })
    await t.rejects(openStateDirectory(directory, systemDisk).read(), { name: 'FileProblem', kind: 'unusable' })
  }
})
