import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, globSync, mkdirSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

/** A third of what terraform takes of the CPU is its search for memory to free; here there is enough. */
const rarelyCollected = { GOGC: '400', GOMEMLIMIT: '1GiB' }

const infra = resolve(import.meta.dirname, '../../infra')

export interface TerraformAnswer {
  code: number
  /** Both streams, without colours. */
  output: string
}

/** A copy of infra/, so that nothing is written beside the sources, with a provider that is running already. */
export interface TerraformCopy {
  /** Runs `terraform <args>` in a folder of the copy, which is named as in the repository: `infra/modules/dns`. */
  run(folder: string, args: string[], timeoutMs: number): Promise<TerraformAnswer>
  /** Ends the provider. */
  close(): Promise<void>
}

/** The code is -1 when terraform does not start or takes longer than `timeoutMs`. */
const runTerraform = (
  cwd: string,
  args: string[],
  timeoutMs: number,
  env: NodeJS.ProcessEnv = {},
): Promise<TerraformAnswer> =>
  new Promise((done) => {
    const options = {
      cwd,
      env: {
        ...process.env,
        TF_IN_AUTOMATION: '1',
        TF_INPUT: '0',
        TF_CLI_ARGS: '-no-color',
        ...rarelyCollected,
        ...env,
      },
      timeout: timeoutMs,
      maxBuffer: 64 << 20,
    }
    execFile('terraform', args, options, (error, stdout, stderr) => {
      const code = typeof error?.code === 'number' ? error.code : error === null ? 0 : -1
      done({ code, output: `${stdout}${stderr}` })
    })
  })

/** What infra/ asks for: `>= 5.100, < 7`. Newest first. */
const fitting = (versions: string[]): string[] =>
  versions
    .map((version) => ({ version, numbers: version.split('.').map(Number) }))
    .filter(({ numbers: [major = 0, minor = 0] }) => (major === 5 && minor >= 100) || major === 6)
    .sort((a, b) => (b.numbers[0] ?? 0) - (a.numbers[0] ?? 0) || (b.numbers[1] ?? 0) - (a.numbers[1] ?? 0))
    .map(({ version }) => version)

const downloads = resolve(import.meta.dirname, '../../.tools/terraform')

/**
 * A folder that holds the aws provider as `terraform init -plugin-dir` wants it: `<host>/hashicorp/aws/<version>/…`.
 * TF_PLUGIN_DIR names it; else it is looked for, not deep, where such folders usually are.
 */
export const providerMirror = (): string | undefined => {
  const named = process.env['TF_PLUGIN_DIR']
  const usual = ['/usr/local/share/terraform', '/usr/share/terraform', '/opt']
  const places = named === undefined ? [join(homedir(), '.terraform.d'), ...usual, downloads] : [named]
  return places
    .flatMap((place) =>
      ['*', '*/*', '*/*/*'].flatMap((up) =>
        globSync(`${up}/hashicorp/aws`, { cwd: place }).map((path) => join(place, path)),
      ),
    )
    .filter((path) => fitting(readdirSync(path)).length > 0)
    .map((path) => dirname(dirname(dirname(path))))[0]
}

/** Starts the newest provider of a mirror. */
const startProvider = async (mirror: string): Promise<{ child: ChildProcess; reattach: string }> => {
  const [home = ''] = globSync('*/hashicorp/aws', { cwd: mirror })
  const [version = ''] = fitting(readdirSync(join(mirror, home)))
  const { platform, arch } = process
  const folder = join(mirror, home, version, `${platform}_${arch === 'x64' ? 'amd64' : arch}`)
  const binary = readdirSync(folder).find((name) => name.startsWith('terraform-provider-aws'))
  if (binary === undefined) throw new Error(`no provider in ${folder}`)
  const child = spawn(join(folder, binary), ['-debug'], {
    env: { ...process.env, ...rarelyCollected },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let said = ''
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    said += chunk
    const reattach = /TF_REATTACH_PROVIDERS='(.*)'/.exec(said)?.[1]
    if (reattach !== undefined) return { child, reattach }
  }
  throw new Error(`the provider does not say how it is reached: ${said}`)
}

/** Downloads the provider, to where it is found the next time; what terraform said when that failed. */
const download = async (scratch: string): Promise<string | undefined> => {
  const folder = join(scratch, 'provider')
  mkdirSync(folder)
  mkdirSync(downloads, { recursive: true })
  cpSync(join(infra, 'versions.tf'), join(folder, 'versions.tf'))
  const { code, output } = await runTerraform(folder, ['init'], 120_000, { TF_PLUGIN_CACHE_DIR: downloads })
  return code === 0
    ? undefined
    : output
        .trim()
        .replaceAll(/[\s│╷╵]+/g, ' ')
        .slice(-300)
}

/**
 * Copies infra/ into `scratch` and gets the provider once for all its modules; or says why that cannot be.
 *
 * Terraform starts the provider twice for every run of a test, which takes more than all the rest; one that was started
 * for a debugger serves all runs, since a mocked provider is asked for its schema alone.
 */
export const copyForTerraform = async (scratch: string): Promise<TerraformCopy | { missing: string }> => {
  const version = await runTerraform(scratch, ['version'], 20_000)
  const [, major = 0, minor = 0] = /^Terraform v(\d+)\.(\d+)/m.exec(version.output)?.map(Number) ?? []
  if (major === 0) return { missing: 'terraform is not installed' }
  if (major === 1 && minor < 11) return { missing: `terraform is ${major}.${minor}, older than 1.11` }

  cpSync(infra, join(scratch, 'infra'), {
    recursive: true,
    filter: (path) => !/\/\.terraform(\/|$|\.lock\.hcl$)|\.tfstate/.test(path),
  })
  const failure = providerMirror() === undefined ? await download(scratch) : undefined
  const mirror = providerMirror()
  if (mirror === undefined) return { missing: `the aws provider: ${failure}` }
  const provider = await startProvider(mirror)

  const env = { TF_REATTACH_PROVIDERS: provider.reattach }
  /** The modules that each folder calls must be found once; there is nothing else to initialise. */
  const found = new Map<string, Promise<TerraformAnswer>>()
  return {
    run: async (folder, args, timeoutMs) => {
      const cwd = join(scratch, folder)
      const finding = found.get(folder) ?? runTerraform(cwd, ['get'], 30_000)
      found.set(folder, finding)
      const get = await finding
      return get.code === 0 ? runTerraform(cwd, args, timeoutMs, env) : get
    },
    close: async () => {
      provider.child.kill('SIGKILL')
      if (provider.child.exitCode === null && provider.child.signalCode === null) await once(provider.child, 'exit')
    },
  }
}
