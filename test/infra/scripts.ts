import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { resolve } from 'node:path'
import t from 'tap'
import { missingTools, runTool } from '../support/tools.ts'

const folder = resolve(import.meta.dirname, '../../infra/scripts')

t.test('shellcheck has nothing to say', { skip: missingTools('shellcheck') }, async (t) => {
  const files = globSync('**/*.sh', { cwd: folder })
  t.ok(files.length > 8)
  const { code, stdout } = await runTool('shellcheck', ['-x', ...files], 60_000, folder)
  t.equal(code, 0, stdout)
})

// Nothing of the machine's own cloud.
const run = (script: string, ...args: string[]) =>
  spawnSync(resolve(folder, script), args, {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '' },
    timeout: 20_000,
  })

t.test('wrong arguments are refused before AWS is asked, and say what to write', (t) => {
  const refused: [script: string, args: string[], says: RegExp][] = [
    ['verify.sh', [], /--environment is ''\n {2}Write it as in your tfvars/],
    ['verify.sh', ['--environment', 'Prod'], /--environment is 'Prod'/],
    ['verify.sh', ['--environment', 'prod'], /no region\n {2}Give --region/],
    ['verify.sh', ['--environment'], /--environment needs a value/],
    ['verify.sh', ['--enviroment', 'prod'], /unknown: --enviroment/],
    ['setup.sh', ['--domain'], /--domain needs a value/],
    ['setup.sh', ['prod'], /unknown: prod/],
  ]
  for (const [script, args, says] of refused) {
    const { status, stderr } = run(script, ...args)
    t.equal(status, 2, `${script} ${args.join(' ')}`)
    t.match(stderr, says)
  }
  for (const script of ['verify.sh', 'setup.sh']) t.match(run(script, '--help'), { status: 0, stdout: /^usage: / })
  t.end()
})

t.test('a policy is read whatever its form, and nothing of it is overlooked', (t) => {
  const read = (policy: unknown) =>
    spawnSync('awk', ['-f', resolve(folder, 'verify/policy.awk')], { input: JSON.stringify(policy), encoding: 'utf8' })
      .stdout
  const forms: [policy: unknown, lines: string][] = [
    [{ Statement: { Effect: 'Allow', Action: '*', Resource: '*' } }, 'Allow\t*\t\t*\t\n'],
    [{ Statement: [{ Effect: 'Allow', Action: ['a:b', 'c:d'], Resource: [] }] }, 'Allow\ta:b c:d\t\t\t\n'],
    [{ Statement: [{ Effect: 'Allow', NotAction: 'iam:*', Resource: 'x' }] }, 'Allow\t!iam:*\t\tx\t\n'],
    [{ Statement: [{ Effect: 'Deny', NotPrincipal: { AWS: ['r'] }, Action: 'a' }] }, 'Deny\ta\t!AWS:r\t\t\n'],
    [
      {
        Statement: [
          {
            Effect: 'Deny',
            Principal: '*',
            Action: 'a',
            Condition: { ArnNotEquals: { 'aws:PrincipalArn': ['r', 's'] } },
          },
        ],
      },
      'Deny\ta\t*\t\tArnNotEquals/aws:PrincipalArn=r ArnNotEquals/aws:PrincipalArn=s\n',
    ],
    [
      {
        Statement: [
          { Effect: 'Allow', Action: 'q"\\uote', Resource: '}{' },
          { Effect: 'Deny', Action: 'b' },
        ],
      },
      'Allow\tq"\\uote\t\t}{\t\nDeny\tb\t\t\t\n',
    ],
  ]
  for (const [policy, lines] of forms) t.equal(read(policy), lines)
  t.end()
})

t.test('a running service whose fleet may shrink to nothing is named', (t) => {
  const judged = (autoscaling: { out?: string; error?: string }, desired: number) => {
    const work = t.testdir({
      'service.out': `definition\t${desired}\t${desired}\n`,
      'autoscaling.out': autoscaling.out ?? '',
      ...(autoscaling.error === undefined ? {} : { 'autoscaling.err': autoscaling.error, 'autoscaling.failed': '' }),
    })
    const { stdout, stderr } = spawnSync(
      'bash',
      ['--norc', '-c', 'set -u; . verify/ask.sh; . verify/report.sh; . verify/service.sh; judge_autoscaling'],
      { cwd: folder, encoding: 'utf8', env: { PATH: process.env['PATH'] ?? '', work, json: 'no', without: '' } },
    )
    t.equal(stderr, '')
    return stdout
  }
  const seen: [what: string, autoscaling: Parameters<typeof judged>[0], desired: number, line: RegExp][] = [
    ['as it should be', { out: '3\t12\n' }, 3, /^ok {3}autoscaling-minimum {2}3 to 12 tasks\n$/],
    ['after the first apply', { out: '0\t12\n' }, 3, /^FAIL autoscaling-minimum {2}found: 0 while 3 are wanted; /],
    ['before bootstrap', { out: '0\t12\n' }, 0, /^ok {3}/],
    ['without autoscaling', { out: '' }, 3, /^-- {3}autoscaling-minimum/],
    [
      'an emulator',
      { error: 'An error occurred (400) when calling the DescribeScalableTargets operation: ' },
      3,
      /^-- /,
    ],
    ['not allowed', { error: 'An error occurred (AccessDeniedException) when calling' }, 3, /^\?{4} /],
    ['another error', { error: 'An error occurred (ValidationException) when calling' }, 3, /^FAIL /],
  ]
  for (const [what, autoscaling, desired, line] of seen) t.match(judged(autoscaling, desired), line, what)
  t.end()
})

t.test('a certificate with a line that begins with a slash, as one in five has, is read to its end', (t) => {
  const script = `
    set -u; application=airunner environment=prod work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
    . verify/secrets.sh
    until grep -q '^/' "$work/c.pem" 2>/dev/null; do
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj /CN=x -out "$work/c.pem" 2>/dev/null || exit 9
    done
    said() { printf '/airunner/prod/ca-cert\\tx\\n/airunner/prod/server-cert\\t'; cat "$work/c.pem"; printf '/airunner/prod/issuer-cert\\ty\\n'; }
    certificate_of server-cert && cmp "$work/server-cert.leaf.pem" "$work/c.pem"`
  const { status, stderr } = spawnSync('bash', ['--norc', '-c', script], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 60_000,
  })
  t.equal(status, 0, stderr)
  t.end()
})
