import { globSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { missingTools, runTool } from '../support/tools.ts'

const root = resolve(import.meta.dirname, '../..')
const bin = join(root, '.tools/bin')

interface Step {
  uses?: string
  run?: string
  with?: Record<string, unknown>
}

interface Job {
  uses?: string
  steps?: Step[]
  permissions?: Record<string, string>
  environment?: string
  'timeout-minutes'?: number
}

interface Workflow {
  on: Record<string, unknown>
  permissions: Record<string, string>
  jobs: Record<string, Job>
}

const workflows = globSync('.github/workflows/*.yml', { cwd: root }).map((file) => {
  const text = readFileSync(join(root, file), 'utf8')
  return { file, text, workflow: parse(text) as Workflow }
})
const scripts = globSync('.github/scripts/*.sh', { cwd: root })
const jobs = workflows.flatMap(({ file, workflow }) =>
  Object.entries(workflow.jobs).map(([name, job]) => ({ name: `${file} ${name}`, job, workflow })),
)

/** The only actions, with the commit and the version that were read when they were chosen. */
const actions = [
  'actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1',
  'actions/setup-node@820762786026740c76f36085b0efc47a31fe5020 # v7.0.0',
  'aws-actions/configure-aws-credentials@e6de054238d6b7531b4efff3b6587d9aade6a06c # v6.2.3',
  'hashicorp/setup-terraform@dfe3c3f87815947d99a8997f908cb6525fc44e9e # v4.0.1',
]

t.test('what runs is pinned by commit, and little of it is somebody else’s', async (t) => {
  t.equal(workflows.length, 6)
  for (const { file, text } of workflows)
    for (const [, used = ''] of text.matchAll(/uses: (.+)$/gm)) {
      if (used.startsWith('./')) continue
      t.match(used, /^[\w.-]+\/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, `${file}: ${used}`)
      // Dependabot changes both; then this list is changed by whoever has looked at what is new.
      t.ok(actions.includes(used), `${file}: ${used} is one of those that were looked at`)
    }
})

t.test('no workflow has more rights than it uses, and none a key that lives on', async (t) => {
  for (const { file, text, workflow } of workflows) {
    t.same(workflow.permissions, { contents: 'read' }, `${file}: to read, where a job says nothing else`)
    t.notOk(
      'pull_request_target' in workflow.on || 'workflow_run' in workflow.on,
      `${file}: no rights for strangers’ code`,
    )
    t.notMatch(text, /secrets\./, `${file}: no stored secret`)
    t.notMatch(text, /aws-(access-key-id|secret-access-key)/, `${file}: roles by OIDC`)
    // An expression in a script is pasted into it before the shell reads it.
    for (const { steps = [] } of Object.values(workflow.jobs))
      for (const { run = '' } of steps) t.notMatch(run, /\$\{\{/, `${file}: values come by environment`)
  }
  for (const { name, job } of jobs) {
    const { steps = [], permissions = {}, environment } = job
    const takesRole = steps.some(({ uses = '' }) => uses.startsWith('aws-actions/'))
    t.equal('id-token' in permissions, takesRole || job.uses !== undefined, `${name}: an ID token only to take a role`)
    if (takesRole) t.ok(environment, `${name}: a role belongs to an environment`)
    const allowed = ['contents', 'id-token', 'pull-requests', 'packages']
    t.same(
      Object.keys(permissions).filter((right) => !allowed.includes(right)),
      [],
      name,
    )
    if (job.uses === undefined) t.ok(job['timeout-minutes'], `${name}: ends`)
    for (const { uses = '', with: given } of steps)
      if (uses.startsWith('actions/checkout'))
        t.equal(given?.['persist-credentials'], false, `${name}: no token on the disk`)
  }
})

t.test('a pull request of a stranger gets no credentials', async (t) => {
  const plan = readFileSync(join(root, '.github/workflows/infra-plan.yml'), 'utf8')
  t.match(plan, /if: github\.event\.pull_request\.head\.repo\.full_name == github\.repository/)
  for (const { name, workflow } of jobs)
    if ('pull_request' in workflow.on && !name.includes('infra-plan'))
      t.notMatch(JSON.stringify(workflow), 'id-token', `${name}: tests take no role`)
})

t.test('scripts can be started, and stop at the first failure', async (t) => {
  for (const file of scripts) {
    const text = readFileSync(join(root, file), 'utf8')
    const sourced = text.startsWith('# shellcheck shell=bash')
    t.equal((statSync(join(root, file)).mode & 0o111) !== 0, !sourced, file)
    if (!sourced) t.match(text, /^#!\/usr\/bin\/env bash\n(#.*\n)+set -euo pipefail\n/, file)
  }
  for (const { file, text } of workflows)
    for (const [script] of text.matchAll(/\.github\/scripts\/[\w-]+\.sh/g))
      t.ok(scripts.includes(script), `${file}: ${script}`)
})

t.test('actionlint and shellcheck find nothing', { skip: missingTools('actionlint', 'shellcheck') }, async (t) => {
  t.match(await runTool('actionlint', ['-shellcheck', join(bin, 'shellcheck')], 60_000, root), { code: 0, stdout: '' })
  const files = [...scripts, ...globSync('docker/*.sh', { cwd: root }), 'test/support/container.sh']
  t.match(await runTool('shellcheck', ['--external-sources', ...files], 60_000, root), { code: 0, stdout: '' })
})
