import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'

const scripts = resolve(import.meta.dirname, '../../.github/scripts')
const run = (name: string, args: string[], input = '', env: Record<string, string> = {}) =>
  spawnSync(join(scripts, name), args, { input, encoding: 'utf8', env: { ...process.env, ...env }, timeout: 20_000 })

t.test('what a plan may not show does not come through', async (t) => {
  const key = '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----'
  const table: [string, string, string | RegExp][] = [
    ['a line like any other', '+ name = "airunner-prod"', '+ name = "airunner-prod"'],
    ['a key', `  value = <<-EOT\n${key}\nEOT`, '  value = <<-EOT\n(PEM left out)\nEOT'],
    [
      'a key of one line',
      'value = "-----BEGIN EC PRIVATE KEY-----\\nMHcCAQ\\n-----END EC PRIVATE KEY-----"',
      'value = "(PEM left out)',
    ],
    [
      'a key with colours in it',
      `-----BEG\u001b[31mIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----`,
      '(PEM left out)',
    ],
    ['a certificate', 'ca = "-----BEGIN CERTIFICATE-----', 'ca = "(PEM left out)'],
    ['a join token', 'token=airj_RslhTXf7abc-_', 'token=(join token left out)'],
    ['an access key', 'key AKIAIOSFODNN7EXAMPLE.', 'key (access key left out).'],
    ['an ID token', 'x eyJhbGciOi.eyJpc3Mi.c2ln y', 'x (token left out) y'],
    [
      'an account',
      'arn:aws:iam::123456789012:role/x 210987654321 123456789012',
      'arn:aws:iam::************:role/x ************ ************',
    ],
    ['a longer number', '1234567890123', '1234567890123'],
    ['the end of a code block', '```\n<script>', "'''\n<script>"],
    ['control characters', 'a\u0007b\r\nc', 'ab\nc'],
  ]
  for (const [what, input, expected] of table) {
    const { status, stdout } = run('sanitise-plan.sh', [], `${input}\n`)
    t.equal(status, 0, what)
    if (what === 'a key of one line') t.notMatch(stdout, 'MHcCAQ', what)
    else t.equal(stdout, `${expected}\n`, what)
  }
})

t.test('a comment says first what is destroyed', async (t) => {
  const change = (address: string, ...actions: string[]) => ({ address, change: { actions } })
  const folder = t.testdir({
    'plan.json': JSON.stringify({
      resource_changes: [
        change('aws_vpc.this', 'create'),
        change('aws_dynamodb_table.principals', 'delete', 'create'),
        change('aws_kms_key.issuer', 'delete'),
        change('aws_lb.this', 'update'),
        change('aws_s3_bucket.logs', 'no-op'),
      ],
    }),
    'plan.txt': `Terraform will perform…\n${'x'.repeat(500)}\n`,
  })
  const { status, stdout, stderr } = run(
    'plan-markdown.sh',
    ['prod', join(folder, 'plan.json'), join(folder, 'plan.txt')],
    '',
    {
      LONGEST: '100',
    },
  )
  t.equal(status, 0, stderr)
  const lines = stdout.split('\n')
  t.same(lines.slice(0, 5), [
    '<!-- plan of prod -->',
    '### prod: 1 to add, 1 to change, 1 to replace, 1 to destroy',
    '',
    '- **replaces** aws_dynamodb_table.principals',
    '- **destroys** aws_kms_key.issuer',
  ])
  t.match(stdout, /… \d+ characters more/)
  t.equal(lines.filter((line) => line.startsWith('```')).length, 2)
})

t.test('another plan than the reviewed one is not applied', async (t) => {
  const folder = t.testdir({ bin: {} })
  // The bucket, with something else in it than what was put there.
  writeFileSync(join(folder, 'bin/aws'), '#!/bin/sh\nfor last; do :; done\nprintf "another plan" > "$last"\n')
  writeFileSync(join(folder, 'bin/terraform'), `#!/bin/sh\n: > '${folder}/called'\n`)
  for (const name of ['aws', 'terraform']) chmodSync(join(folder, 'bin', name), 0o755)
  const { status, stderr } = run('terraform-apply.sh', ['prod', 'plans/1-1/prod.tfplan', 'a'.repeat(64)], '', {
    PATH: `${join(folder, 'bin')}:${process.env['PATH']}`,
    TF_ROOT: folder,
    TF_STATE_BUCKET: 'bucket',
    AWS_REGION: 'us-east-1',
  })
  t.equal(status, 1)
  t.match(stderr, /not the plan that was reviewed/)
  t.notOk(existsSync(join(folder, 'called')))
})

t.test('a plan reads nothing from the account: reading server-key is decrypting it', async (t) => {
  const folder = t.testdir({ bin: {} })
  writeFileSync(
    join(folder, 'bin/terraform'),
    `#!/bin/sh\necho "$2 $*" >> '${folder}/called'\ncase $* in *-json*) echo '{}' ;; esac\n`,
    { mode: 0o755 },
  )
  const { status, stderr } = run('terraform-plan.sh', ['prod', join(folder, 'plan'), join(folder, 'plan.md')], '', {
    PATH: `${join(folder, 'bin')}:${process.env['PATH']}`,
    TF_ROOT: folder,
    TF_STATE_BUCKET: 'bucket',
    AWS_REGION: 'us-east-1',
  })
  t.equal(status, 0, stderr)
  const called = readFileSync(join(folder, 'called'), 'utf8').trim().split('\n')
  t.same(
    called.map((line) => line.split(' ')[0]),
    ['init', 'plan', 'show', 'show'],
  )
  t.match(called[1], / -refresh=false /)
  t.match(called[1], / -lock=false /)
  for (const file of globSync(join(scripts, '*.sh')))
    for (const [line] of readFileSync(file, 'utf8').matchAll(/^terraform .* plan .*$/gm))
      t.match(line, / -refresh=false /, file)
})
