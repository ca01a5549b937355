import { globSync, readFileSync } from 'node:fs'
import { join, normalize, resolve } from 'node:path'
import t from 'tap'

/** What each room of src may import, besides itself. `lazily`: by `import()` alone, so that it is not loaded by accident. */
const sees: Record<string, { always: string[]; lazily?: string[] }> = {
  server: { always: ['authority', 'auth', 'pki', 'store', 'wire', 'core'] },
  agent: { always: ['client', 'pki', 'wire', 'core'] },
  cli: { always: ['client', 'pki', 'wire', 'core'], lazily: ['authority', 'auth', 'store'] },
  client: { always: ['pki', 'wire', 'core'] },
  authority: { always: ['auth', 'pki', 'store', 'wire', 'core'] },
  auth: { always: ['pki', 'store', 'wire', 'core'] },
  pki: { always: ['core'] },
  store: { always: ['core'] },
  wire: { always: ['core'] },
  core: { always: [] },
}

/** Packages that are used behind one door. */
const doors: [RegExp, RegExp][] = [
  [/^(pkijs|asn1js)$/, /^src\/pki\//],
  [/^@aws-sdk\/client-kms$/, /^src\/pki\/kms-signer\.ts$/],
  [/^@aws-sdk\/.*dynamodb/, /^src\/store\//],
  [
    /^@aws-sdk\/client-(ssm|secrets-manager|ecs)$/,
    /^src\/(server\/secrets|store\/epoch-parameter\.ts|cli\/(.*bootstrap|provision))/,
  ],
  [/^(fastify$|@fastify\/|@prometheus-io\/)/, /^src\/server\//],
  [/^@aws-sdk\/client-s3$/, /^src\/server\/s3-object-store\.ts$/],
  [/^commander$/, /^src\/cli\//],
]
/** Where the server's adapters are chosen; elsewhere it may name the types of the store, and set a request's deadline. */
const choosesAdapters = /^src\/server\/(compose|dev)\b/
const noAdapter = /\/store\/deadline\.ts$/
/** Programs never see each other, but this command starts the daemon. */
const startsAgent = /^src\/cli\/commands\/agent(-run)?\.ts$/

const root = resolve(import.meta.dirname, '..')
const statements =
  /^(?:import|export)( type)? ?(?:[\w$*{},\s]*?\bfrom )?['"]([^'"\n]+)['"]|\bimport\((?:\/\*.*?\*\/)? ?['"]([^'"\n]+)['"]\)/gm

/** Why `file` may not import `wanted`; nothing when it may. */
const objection = (file: string, wanted: string, how: { lazily: boolean; asType: boolean }): string | undefined => {
  const door = doors.find(([packages, place]) => packages.test(wanted) && !place.test(file))
  if (door !== undefined) return `${wanted} is used in ${door[1].source} only`
  if (!wanted.startsWith('.')) return undefined
  const [from = '', to = ''] = [file, normalize(join(file, '..', wanted))].map((path) => path.split('/')[1])
  const { always = [], lazily = [] } = sees[from] ?? {}
  if (from === 'server' && to === 'store' && !how.asType && !choosesAdapters.test(file) && !noAdapter.test(wanted))
    return 'compose.ts alone chooses adapters'
  if (startsAgent.test(file) && to === 'agent' && how.lazily) return undefined
  if (from === to || always.includes(to) || (lazily.includes(to) && (how.lazily || how.asType))) return undefined
  return lazily.includes(to) ? `${from} may load ${to} by import() only` : `${from} does not see ${to}`
}

t.test('imports point down only, and packages stay behind their doors', async (t) => {
  const files = globSync('src/**/*.ts', { cwd: root })
  t.ok(files.length > 0, 'there are sources')
  for (const file of files)
    for (const [, type, fixed, lazy] of readFileSync(join(root, file), 'utf8').matchAll(statements)) {
      const wanted = fixed ?? lazy ?? ''
      const why = objection(file, wanted, { lazily: lazy !== undefined, asType: type !== undefined })
      if (why !== undefined) t.fail(`${file} imports ${wanted}: ${why}`)
    }
})

t.test('the referee sees', async (t) => {
  const fixed = { lazily: false, asType: false }
  t.match(objection('src/core/ids.ts', '../wire/fields.ts', fixed), /core does not see wire/)
  t.match(objection('src/cli/commands/bootstrap.ts', '../../store/client.ts', fixed), /by import\(\) only/)
  t.equal(objection('src/cli/commands/bootstrap.ts', '../../store/client.ts', { ...fixed, lazily: true }), undefined)
  t.match(objection('src/server/routes/x.ts', '../../store/client.ts', fixed), /compose.ts alone/)
  t.match(objection('src/server/x.ts', 'pkijs', fixed), /pki/)
  t.match(objection('src/server/x.ts', '../cli/main.ts', fixed), /server does not see cli/)
  t.match(objection('src/cli/commands/agent-run.ts', '../../agent/main.ts', fixed), /cli does not see agent/)
  t.equal(objection('src/cli/commands/agent-run.ts', '../../agent/main.ts', { ...fixed, lazily: true }), undefined)
  t.match(objection('src/cli/run.ts', '../agent/main.ts', { ...fixed, lazily: true }), /cli does not see agent/)
  const source = `import type {\n  A,\n} from './a.ts'\nimport './b.ts'\nexport * from './c.ts'\nawait import('./d.ts')`
  t.same(
    [...source.matchAll(statements)].map(([, type, fixed, lazy]) => [type, fixed, lazy]),
    [
      [' type', './a.ts', undefined],
      [undefined, './b.ts', undefined],
      [undefined, './c.ts', undefined],
      [undefined, undefined, './d.ts'],
    ],
  )
})
