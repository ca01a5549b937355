import { spawnSync } from 'node:child_process'
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import t from 'tap'

const root = resolve(import.meta.dirname, '..')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }

const run = (cwd: string, command: string, args: string[], env: NodeJS.ProcessEnv = {}) => {
  // The npm around this test speaks through npm_* variables; the one started here serves another folder.
  const clean = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_(package|lifecycle|config_local)/.test(name)),
  )
  const path = [dirname(process.execPath), clean['PATH']].join(delimiter)
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    env: { ...clean, PATH: path, BUILD_WITHOUT_CHECK: '1', ...env },
    encoding: 'utf8',
    timeout: 110_000,
  })
  return { status, stdout: stdout ?? '', stderr: stderr ?? '' }
}

/** Programs called node on this machine that are older than what the plane runs on. */
const oldNodes = (): string[] =>
  [...new Set((process.env['PATH'] ?? '').split(delimiter))]
    .map((folder) => join(folder, 'node'))
    .filter((node) => {
      try {
        accessSync(node, constants.X_OK)
      } catch {
        return false
      }
      const [, major = 0, minor = 0] = /^v(\d+)\.(\d+)/.exec(run(root, node, ['--version']).stdout)?.map(Number) ?? []
      return major > 0 && (major < 24 || (major === 24 && minor < 21))
    })

t.test('the package installs into an empty folder, and both programs run there', async (t) => {
  const folder = t.testdir({ app: { 'package.json': '{ "private": true }' } })
  const app = join(folder, 'app')
  const packed = run(root, 'npm', ['pack', '--pack-destination', folder])
  t.equal(packed.status, 0, `npm pack: ${packed.stderr}`)
  const archive = readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? ''

  const quick = [
    '--omit=dev',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    '--fetch-retries=1',
    '--fetch-timeout=20000',
  ]
  const installed = run(app, 'npm', ['install', ...quick, join(folder, archive)])
  if (/ENOTCACHED|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH/.test(installed.stderr)) {
    console.error('SKIPPED: npm reaches no registry, so the package was not installed')
    t.pass('installed', { skip: 'npm reaches no registry' })
    return
  }
  t.equal(installed.status, 0, `npm install: ${installed.stderr}`)

  const home = { HOME: app, XDG_CONFIG_HOME: app }
  const cli = run(app, join(app, 'node_modules/.bin/airunner'), ['version'], home)
  t.match(cli, { status: 0, stderr: '' })
  t.match(cli.stdout, version)
  const server = run(app, join(app, 'node_modules/.bin/rpc-server'), ['--version'], home)
  t.match(server, { status: 0, stderr: '' })
  t.match(server.stdout, version)

  const inPackage = readdirSync(join(app, 'node_modules/airunner-control-plane'))
  t.notOk(inPackage.includes('src') || inPackage.includes('test'), 'only what runs is in it')

  const [old] = oldNodes()
  if (old === undefined) {
    t.pass('an older Node is refused', { skip: 'none is installed' })
    return
  }
  const refused = run(
    app,
    old,
    [join(app, 'node_modules/airunner-control-plane/dist/server/main.js'), '--version'],
    home,
  )
  t.equal(refused.status, 2, 'an older Node is refused')
  t.match(refused.stderr, /24\.21\.0/, 'with what is needed instead')
})
