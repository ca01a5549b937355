import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

const page = resolve(import.meta.dirname, '../../../docs/bootstrap.md')

/** Where the documentation's words are, for one deployment. */
export interface Resources {
  account: string
  region: string
  application: string
  environment: string
  /** ARN of the key with which the issuer signs. */
  issuerKey: string
}

const arnsOf = (words: string, { account, region, application, environment, issuerKey }: Resources): string[] => {
  const arn = (service: string, name: string) => `arn:aws:${service}:${region}:${account}:${name}`
  const below = `${application}/${environment}`
  const secret = (name: string) => arn('secretsmanager', `secret:/${below}/${name}-*`)
  const service = [
    arn('ecs', `service/${application}-${environment}/rpc-server`),
    arn('ecs', `task/${application}-${environment}/*`),
  ]
  const known: [words: RegExp, arns: string[]][] = [
    [/^`\*`/, ['*']],
    [
      /^the four parameters$/,
      ['ca-cert', 'server-cert', 'server-key', 'issuer-cert'].map((name) => arn('ssm', `parameter/${below}/${name}`)),
    ],
    [/^both secrets$/, ['ca-key', 'issuer-key'].map(secret)],
    [/^`ca-key`$/, [secret('ca-key')]],
    // Asked for by AWS itself, in the name of the caller; the page says which.
    [/^the key that encrypts (them|the tables)/, [arn('kms', 'key/*')]],
    [
      /^the three tables$/,
      ['principals', 'certificates', 'control'].map((name) =>
        arn('dynamodb', `table/${application}_${environment}_${name}`),
      ),
    ],
    [/^the control table/, [arn('dynamodb', `table/${application}_${environment}_control`)]],
    [/^with `--kms-issuer-key`, that key$/, [issuerKey]],
    [/^with `--ecs-service`, that service$/, service],
  ]
  const found = known.find(([pattern]) => pattern.test(words))
  if (found === undefined) throw new Error(`docs/bootstrap.md, Permissions: which resources are “${words}”?`)
  return found[1]
}

/** The policy of the administrator's role, as docs/bootstrap.md tells people to write it. */
export const readAdminPolicy = (resources: Resources) => {
  const table = readFileSync(page, 'utf8').match(
    /\n## Permissions\n[\s\S]*?\n\| action \| on \|\n\|---\|---\|\n((?:\|.*\n)+)/,
  )?.[1]
  if (table === undefined) throw new Error('docs/bootstrap.md has no table of permissions')
  const statements = table
    .trim()
    .split('\n')
    .map((row) => {
      const [, actions = '', on = ''] = row.match(/^\| (.*?) \| (.*) \|$/) ?? []
      return {
        Effect: 'Allow',
        Action: [...actions.matchAll(/`([a-z]+:\w+)`/g)].map(([, action]) => String(action)),
        Resource: arnsOf(on, resources),
      }
    })
  return { Version: '2012-10-17', Statement: statements }
}
