import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { providerMirror } from '../terraform.ts'
import { type Answer, ours, run } from './run.ts'

const sources = resolve(import.meta.dirname, '../../../infra')
const tools = resolve(import.meta.dirname, '../../../.tools/bin')
const minute = 60_000

/** Why no deployment can be made here; undefined when one can. */
export const noTerraform = async (): Promise<string | undefined> => {
  const { stdout } = await run('terraform', ['version'], {}, minute).catch(() => ({ stdout: '' }))
  const [, major = 0, minor = 0] = /^Terraform v(\d+)\.(\d+)/m.exec(stdout)?.map(Number) ?? []
  if (major === 0) return 'terraform is not installed'
  return major === 1 && minor < 11 ? `terraform is ${major}.${minor}, older than 1.11` : undefined
}

/** What Terraform must be told of an emulator; it calls such files overrides. The emulator has no host for each bucket. */
const override = `
provider "aws" {
  max_retries                 = 2
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  s3_use_path_style           = true
}
`
const backend = `
terraform {
  backend "s3" {
    encrypt                     = true
    use_lockfile                = true
    use_path_style              = true
    skip_credentials_validation = true
    skip_metadata_api_check     = true
    skip_region_validation      = true
  }
}
`

export interface Infra {
  /** Runs infra/scripts/setup.sh of the copy, to its end. */
  setup(args: string[], timeoutMs: number): Promise<Answer>
  /** Runs terraform in examples/production as setup.sh has left it; throws what it said when it failed. */
  terraform(args: string[], timeoutMs: number): Promise<string>
  /** Everything that was printed so far. */
  printed: string[]
}

/** A copy of infra/ below `scratch` that is for an emulator: nothing is written beside the sources. */
export const copyInfra = (scratch: string, environment: string, env: Record<string, string>): Infra => {
  const copy = join(scratch, 'infra')
  cpSync(sources, copy, {
    recursive: true,
    filter: (path) => !/\/\.terraform(\/|$|\.lock\.hcl$)|\.tfstate|_override\.tf$|\/setup-\w+\.tfvars$/.test(path),
  })
  const root = join(copy, 'examples/production')
  writeFileSync(join(root, 'emulator_override.tf'), `${backend}${override}`)
  writeFileSync(join(copy, 'bootstrap/emulator_override.tf'), override)
  // As the installed package has it.
  const programs = join(scratch, 'bin')
  mkdirSync(programs)
  writeFileSync(join(programs, 'airunner'), `#!/bin/sh\nexec ${ours('cli').join(' ')} "$@"\n`, { mode: 0o755 })

  const mirror = providerMirror()
  const around = {
    ...env,
    PATH: [programs, tools, process.env['PATH']].join(':'),
    HOME: scratch,
    AWS_ENDPOINT_URL_S3: env['AWS_ENDPOINT_URL'] ?? '',
    TF_IN_AUTOMATION: '1',
    TF_INPUT: '0',
    NO_COLOR: '1',
    TF_CLI_ARGS: '-no-color',
    TF_CLI_CONFIG_FILE: '/dev/null',
    TF_CLI_ARGS_init: mirror === undefined ? '' : `-plugin-dir=${mirror}`,
  }
  const printed: string[] = []
  return {
    printed,
    setup: async (args, timeoutMs) => {
      const answer = await run(join(copy, 'scripts/setup.sh'), args, around, timeoutMs)
      printed.push(answer.stdout, answer.stderr)
      return answer
    },
    terraform: async (args, timeoutMs) => {
      const { code, stdout, stderr } = await run(
        'terraform',
        [`-chdir=${root}`, ...args],
        { ...around, TF_DATA_DIR: join(root, '.terraform', environment) },
        timeoutMs,
      )
      printed.push(stdout, stderr)
      if (code !== 0)
        throw new Error(`terraform ${args[0]} ended with ${code}:\n${stdout.slice(-2000)}${stderr.slice(-4000)}`)
      return stdout
    },
  }
}
