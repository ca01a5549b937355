import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Identity } from '../support/client.ts'
import { startPlane } from '../support/plane.ts'
import { missingTools, runTool } from '../support/tools.ts'

const secondsOfRun = 15

t.test(
  'whatever is asked, the answer is one that the published contract allows',
  { skip: missingTools('schemathesis') },
  async (t) => {
    const plane = await startPlane(t)
    const folder = t.testdir({})
    const root = join(folder, 'root.pem')
    writeFileSync(root, plane.authority.root_pem)

    const ask = async (t: Test, type: string, { certificate, key }: Identity) => {
      const [certificateFile, keyFile] = [join(folder, `${type}.pem`), join(folder, `${type}.key`)]
      writeFileSync(certificateFile, certificate)
      writeFileSync(keyFile, key, { mode: 0o600 })
      const url = `https://localhost:${plane.server.mtls.split(':').at(-1)}/openapi.json`
      const askOnce = () =>
        runTool(
          'schemathesis',
          [
            ...['--config-file', join(import.meta.dirname, 'schemathesis.toml'), 'run', url, '--no-color'],
            ...['--request-cert', certificateFile, '--request-cert-key', keyFile, '--tls-verify', root],
            ...['--max-time', `${secondsOfRun}`],
          ],
          40_000,
          folder,
        )
      let asked = await askOnce()
      // A connection that ends is an answer the tool does not know, e.g. when a busy machine misses a limit of a handshake.
      if (asked.stdout.includes('Network Error') && !asked.stdout.includes('= FAILURES =')) asked = await askOnce()
      const [, cases = '0'] = /(\d+) generated/.exec(asked.stdout) ?? []
      t.equal(asked.code, 0, `${type}: ${cases} cases`)
      t.ok(Number(cases) > 10, `${type}: enough was asked`)
      if (asked.code !== 0) t.comment(`${asked.stdout}${asked.stderr}`.slice(-20_000))
    }
    // Those who may change nothing go first: what an admin asks for takes away the rights of others.
    const others = await Promise.all(
      (['worker', 'user', 'service'] as const).map(async (type) => ({
        type,
        ...(await plane.enrol(`${type}-asks`, type)),
      })),
    )
    await Promise.all(others.map(({ type, identity }) => ask(t, type, identity)))
    if (plane.admin.identity === undefined) throw new Error('the admin has no certificate')
    await ask(t, 'admin', plane.admin.identity)
    t.same(
      plane.server.logged.filter(({ level }) => level === 'error' || Number(level) >= 50),
      [],
      'nothing failed inside',
    )
  },
)
