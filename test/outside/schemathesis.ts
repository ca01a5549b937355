import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { PrincipalType } from '../../src/core/principal.ts'
import { patiently } from '../support/client.ts'
import { startPlane } from '../support/plane.ts'
import { missingTools, runTool, type ToolAnswer } from '../support/tools.ts'

/** The same questions each time; another number asks others. */
const seed = process.env['SCHEMATHESIS_SEED'] ?? '1'

/** What is asked takes as long as it takes; only a tool that hangs is ended. Milliseconds. */
const patience = 420_000

/** Each limit of each field as an admin is a minute and a half of CPU: only where it is checked for good, or when asked for. */
const thorough = process.env['CI'] !== undefined || process.env['SCHEMATHESIS_ALL'] !== undefined

/** For each operation, drawn by lot; and how many cases that makes at least. */
const [examples, enoughAtRandom] = thorough ? ['8', 150] : ['3', 50]

/** All operations are drawn by lot for everybody; where a type may do what others may not, each limit of each field is tried. */
const everybody: [PrincipalType, string, number][] = [
  ['admin', '^/', 1500],
  ['worker', '^/v1/(agent/|whoami|renewals|certificates)', 150],
  ['user', '^/v1/(whoami|renewals)$', 20],
  ['service', '^/v1/agent/', 50],
]

/** Who may do most, and who may do what an admin may not; each start of the tool alone is seconds of CPU. */
const coverage = thorough ? everybody : everybody.slice(0, 2)

/** A principal may do this to itself, and what comes later would be refused, all of it. */
const last = '/v1/certificates/{serial_number}/revoke'

/** What the tool has against the plane, without its advice; its last words when it did not come as far as that. */
const complaintsOf = ({ code, stdout, stderr }: ToolAnswer): string => {
  if (code === 0) return ''
  const said = /^=+ (?:FAILURES|ERRORS) =+\n[\s\S]*?(?=^=+ (?:WARNINGS|SUMMARY) =+$)/m.exec(stdout)?.[0]
  const ending = code === -1 ? `not started, or not done after ${patience / 1000} s\n` : ''
  return `${ending}${said ?? `${stdout}${stderr}`.slice(-4000)}`.slice(0, 12_000)
}

/** The operations that are complained about, for the name of an assertion. */
const headlinesOf = (complaints: string): string =>
  [...complaints.matchAll(/^_+ (.+) _+\n(.*)/gm)].map(([, operation, what]) => `; ${operation} ${what}`).join('')

/** Asks as one principal, on a plane of its own: what an admin asks for takes away the rights of others. */
const ask = async (t: Test, type: PrincipalType, limited: string, enough: number): Promise<void> => {
  const plane = await startPlane(t)
  // The only admin: it cannot take away its own rights.
  const identity = type === 'admin' ? plane.admin.identity : (await plane.enrol(`${type}-asks`, type)).identity
  if (identity === undefined) throw new Error('the admin has no certificate')
  const folder = t.testdir({ 'root.pem': plane.authority.root_pem, 'c.pem': identity.certificate })
  writeFileSync(join(folder, 'c.key'), identity.key, { mode: 0o600 })
  const url = `https://localhost:${plane.server.mtls.split(':').at(-1)}/openapi.json`

  const run = async (...which: string[]): Promise<number> => {
    const asked = await runTool(
      'schemathesis',
      [
        ...['--config-file', join(import.meta.dirname, 'schemathesis.toml'), 'run', url, '--no-color'],
        ...['--request-cert', 'c.pem', '--request-cert-key', 'c.key', '--tls-verify', 'root.pem'],
        ...['--seed', seed, '--max-examples', examples, ...which],
      ],
      patience,
      folder,
    )
    const cases = Number(/(\d+) generated/.exec(asked.stdout)?.[1] ?? 0)
    const complaints = complaintsOf(asked)
    // Before all else: the log of a long run may be cut anywhere.
    if (complaints !== '') t.comment(complaints)
    t.equal(asked.code, 0, `${type}: ${cases} cases, SCHEMATHESIS_SEED=${seed}${headlinesOf(complaints)}`)
    return cases
  }

  if (type === 'admin' && !thorough)
    t.comment('SCHEMATHESIS_ALL=1 tries each limit of each field as an admin, and asks as users and services too')
  else
    t.ok(
      (await run('--phases', 'coverage', '--include-path-regex', limited, '--exclude-path', last)) > enough,
      `${type}: enough`,
    )
  t.ok((await run('--phases', 'fuzzing', '--exclude-path', last)) > enoughAtRandom, `${type}: enough at random`)
  const whoami = await patiently(() => plane.clientOf(identity).get('/v1/whoami'))
  t.equal(whoami.status, 200, `${type}: was let in to the end`)
  t.ok((await run('--phases', 'coverage,fuzzing', '--include-path', last)) > 0, `${type}: was asked to revoke`)
  t.same(
    plane.server.logged.filter(({ level }) => level === 'error' || Number(level) >= 50),
    [],
    `${type}: nothing failed inside`,
  )
}

t.setTimeout(patience + 30_000)
t.test(
  'whatever is asked, the answer is one that the published contract allows',
  { skip: missingTools('schemathesis'), timeout: patience + 30_000 },
  async (t) => {
    t.jobs = coverage.length
    for (const [type, ...how] of coverage)
      t.test(type, { buffered: true, timeout: patience + 20_000 }, (t) => ask(t, type, ...how))
  },
)
